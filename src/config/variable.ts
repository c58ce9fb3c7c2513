import { isBasePath } from "../http/base-path.ts";
import { isMailbox } from "../model/mailbox.ts";
import { phoneForm, phoneNumber } from "../model/phone.ts";
import { knownTimeZone } from "../model/time-zone.ts";
import { domainProblem, hostProblem, mongoUriProblem, urlProblem } from "./address.ts";

/** One configuration variable: everything that is known of it stands here and nowhere else. */
export interface Variable<Value> {
  group: string;
  /** Its purpose, in a sentence. */
  description: string;
  /** As it would be written; empty when there is none. */
  default: string;
  /** The accepted values, for the generated file. */
  form: string;
  /** The value, or a sentence about what is wrong. Not called for an empty text. */
  parse: (text: string) => Value | Problem;
  /** Any text is valid, so a part that a comment cut off would go unnoticed. */
  freeText?: boolean;
  /** Never shown; may come from the file that `<NAME>_FILE` names. */
  secret?: boolean;
  /** Other names that older systems' users have in their files. */
  aliases?: string[];
}

/** The settings that variables give, by name. */
export type SettingsOf<Table> = { [Name in keyof Table]: Table[Name] extends Variable<infer V> ? V : never };

/** The problem with a value, as the rest of a sentence that begins with the variable's name. */
export class Problem {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

interface Facts {
  description: string;
  default?: string;
  secret?: boolean;
  aliases?: string[];
}

/** Without a default a variable may be unset. */
type Or<Value, F extends Facts> = F extends { default: string } ? Value : Value | undefined;

/** The kinds of variable, for one group of the generated file. */
export function inGroup(group: string) {
  /** Blanks around a value never belong to it, except in free text. */
  const define = <Value, F extends Facts>(
    facts: F,
    form: string,
    parse: (text: string) => Value | Problem,
    freeText = false,
  ): Variable<Or<Value, F>> => ({
    group,
    default: "",
    form,
    parse: (freeText ? parse : (text) => parse(text.trim())) as Variable<Or<Value, F>>["parse"],
    ...(freeText && { freeText }),
    ...facts,
  });
  /** A text that is valid when `problemIn` finds nothing. */
  const checked = <F extends Facts>(
    facts: F,
    form: string,
    problemIn: (text: string) => string | undefined,
    freeText = false,
  ) =>
    define<string, F>(
      facts,
      form,
      (text) => {
        const problem = problemIn(text);
        return problem === undefined ? text : new Problem(problem);
      },
      freeText,
    );

  return {
    /** A kind that one variable alone has. */
    define,
    checked,
    /** Taken as it is, blanks at its ends too. */
    text: <const F extends Facts>(facts: F, form = "text") =>
      checked(
        facts,
        form,
        (text) => (/\p{Cc}/u.test(text) ? "must be one line without control characters" : undefined),
        true,
      ),
    /** An API key or the like: a blank in it comes from a mistake in copying. */
    token: <const F extends Facts>(facts: F, form = "text without blanks") =>
      checked(facts, form, (text) =>
        /[\s\p{Cc}]/u.test(text) ? "must not contain blanks or line breaks" : undefined,
      ),
    phone: <const F extends Facts>(facts: F) =>
      define<string, F>(
        facts,
        "phone number with its country code",
        (text) => phoneNumber(text) ?? new Problem(`must be ${phoneForm}`),
      ),
    lines: <const F extends Facts>(facts: F, form: string) => checked(facts, form, () => undefined),
    /** `portName`: the variable that a port belongs to. */
    host: <const F extends Facts>(facts: F, portName: string, form = "host name or IP address") =>
      define<string, F>(facts, form, (text) => {
        const problem = hostProblem(text, portName);
        return problem === undefined ? text.replace(/^\[(.*)\]$/, "$1") : new Problem(problem);
      }),
    timeZone: <const F extends Facts>(facts: F) =>
      checked(facts, "IANA time zone", (text) =>
        knownTimeZone(text) ? undefined : "must be an IANA time zone, such as Europe/Berlin",
      ),
    domain: <const F extends Facts>(facts: F) => checked(facts, "domain name", domainProblem),
    mongoUri: <const F extends Facts>(facts: F) =>
      checked(facts, "mongodb:// or mongodb+srv:// URI", mongoUriProblem),
    integer: <const F extends Facts>(min: number, max: number, facts: F) =>
      define<number, F>(facts, `integer, ${min} to ${max}`, (text) => {
        const fits = /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max;
        return fits ? Number(text) : new Problem(`must be an integer from ${min} to ${max}`);
      }),
    number: <const F extends Facts>(min: number, max: number, facts: F) =>
      define<number, F>(facts, `number, ${min} to ${max}`, (text) => {
        const fits = /^\d+(\.\d+)?$/.test(text) && Number(text) >= min && Number(text) <= max;
        return fits ? Number(text) : new Problem(`must be a number from ${min} to ${max}`);
      }),
    choice: <const Choice extends string, const F extends Facts>(choices: readonly Choice[], facts: F) =>
      define<Choice, F>(facts, choices.join(" | "), (text) =>
        choices.includes(text as Choice)
          ? (text as Choice)
          : new Problem(`must be one of ${choices.join(", ")}`),
      ),
    flag: <const F extends Facts>(facts: F) =>
      define<boolean, F>(facts, "on | off", (text) =>
        text === "on" || text === "off" ? text === "on" : new Problem("must be on or off"),
      ),
    /** `14/s`, `600/min`, `5000/h`. */
    rate: <const F extends Facts>(facts: F) =>
      define<{ count: number; perMs: number }, F>(facts, "14/s, 600/min or 5000/h", (text) => {
        const [, count, unit] = /^(\d{1,7}(?:\.\d+)?)\/(s|min|h)$/.exec(text) ?? [];
        const perMs = { s: 1_000, min: 60_000, h: 3_600_000 }[unit as "s" | "min" | "h"];
        return Number(count) > 0
          ? { count: Number(count), perMs }
          : new Problem("must be a rate such as 14/s");
      }),
    /** `holds`: what else than scheme, host, port and path the URL may have. */
    url: <const F extends Facts>(
      facts: F,
      protocols: string[],
      holds: { login?: boolean; query?: boolean } = {},
    ) =>
      define<string, F>(facts, `${protocols.join(" or ")} URL`, (text) => {
        const problem = urlProblem(text, protocols, holds);
        if (problem !== undefined) return new Problem(problem);
        return holds.query ? text : text.replace(/\/+$/, "");
      }),
    /** The address alone; a name before it is a problem. */
    path: <const F extends Facts>(facts: F) =>
      define<string, F>(facts, "path such as /belfry", (text) => {
        const path = text.replace(/\/$/, "");
        return path === "" || isBasePath(path)
          ? path
          : new Problem("must be a path such as /belfry, of letters, digits, dots, hyphens and underscores");
      }),
    mailbox: <const F extends Facts>(facts: F, advice = "without a name") =>
      checked(facts, "e-mail address", (text) =>
        isMailbox(text) ? undefined : `must be one e-mail address ${advice}`,
      ),
    /** The address, or `Jo Doe <jo@example.com>`, of which the address is kept. */
    namedMailbox: <const F extends Facts>(facts: F) =>
      define<string, F>(facts, "e-mail address, or Name <address>", (text) => {
        const address = /^(?:"[^"<>]*"\s*|[^"<>@,;]*)<([^<>]*)>$/.exec(text)?.[1]?.trim() ?? text;
        return isMailbox(address)
          ? address
          : new Problem("must be one e-mail address, such as jo@example.com or Jo Doe <jo@example.com>");
      }),
    list: <const F extends Facts>(form: string, facts: F, problemIn: (item: string) => string | undefined) =>
      define<string[], F>(facts, form, (text) => {
        const items = text.split(",").map((item) => item.trim());
        const wrong = items.map(problemIn).find((problem) => problem !== undefined);
        return wrong === undefined ? items : new Problem(wrong);
      }),
  };
}
