import { isMailbox } from "./model/mailbox.ts";

/** One configuration variable: everything that is known of it stands here and nowhere else. */
export interface Variable<Value> {
  group: string;
  /** What it is for, in a sentence. */
  says: string;
  /** As it would be written; empty when there is none. */
  default: string;
  /** What may be written, for the generated file. */
  form: string;
  /** The value, or a sentence about what is wrong. Not called for an empty text. */
  parse: (text: string) => Value | Problem;
  /** Never shown; may come from the file that `<NAME>_FILE` names. */
  secret?: boolean;
  /** Other names that older systems' users have in their files. */
  aliases?: string[];
}

/** What is wrong with a text, as the rest of a sentence that begins with the variable's name. */
export class Problem {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

interface Facts {
  says: string;
  default?: string;
  secret?: boolean;
  aliases?: string[];
}

/** Without a default a variable may be unset. */
type Or<Value, F extends Facts> = F extends { default: string } ? Value : Value | undefined;

/** The kinds of variable, for one group of the generated file. */
export function inGroup(group: string) {
  const define = <Value, F extends Facts>(
    facts: F,
    form: string,
    parse: (text: string) => Value | Problem,
  ): Variable<Or<Value, F>> => ({
    group,
    default: "",
    form,
    parse: parse as Variable<Or<Value, F>>["parse"],
    ...facts,
  });

  return {
    text: <const F extends Facts>(facts: F, form = "text") => define<string, F>(facts, form, (text) => text),
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
    url: <const F extends Facts>(facts: F, protocols: string[]) =>
      define<string, F>(facts, `${protocols.join(" or ")} URL`, (text) =>
        URL.canParse(text) && protocols.includes(new URL(text).protocol.slice(0, -1))
          ? text.replace(/\/+$/, "")
          : new Problem(`must be a URL that begins with ${protocols.map((one) => `${one}://`).join(" or ")}`),
      ),
    mailbox: <const F extends Facts>(facts: F) =>
      define<string, F>(facts, "e-mail address", (text) =>
        isMailbox(text) ? text : new Problem("must be one e-mail address"),
      ),
    list: <const F extends Facts>(form: string, facts: F, problemIn: (item: string) => string | undefined) =>
      define<string[], F>(facts, form, (text) => {
        const items = text.split(",").map((item) => item.trim());
        const wrong = items.map(problemIn).find((problem) => problem !== undefined);
        return wrong === undefined ? items : new Problem(wrong);
      }),
  };
}
