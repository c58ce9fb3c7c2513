import { isIPv6 } from "node:net";

// Each function says what is wrong with a text, as the rest of a sentence that begins with the variable's name. None
// of them repeats a part of the text: it may be a piece of a password.

const encodings = "@ → %40, : → %3A, / → %2F, ? → %3F, # → %23, [ → %5B, ] → %5D, % → %25";
const mustEncode = `has a character that must be percent-encoded in the user name or the password: ${encodings}`;

/** A host without scheme, port, path or login. `portName`: the variable that a port belongs to. */
export function hostProblem(text: string, portName: string): string | undefined {
  if (text.includes("://")) return "must be a host name alone: remove the scheme (the part up to ://)";
  if (isIPv6(text.replace(/^\[(.*)\]$/, "$1"))) return undefined;
  if (/^[^:@/]+:\d*$|^\[.*\]:\d*$/.test(text))
    return `must be a host name alone: set the port as ${portName}`;
  return /^[^\s\p{Cc}:@/\\?#%[\],;<>"']+$/u.test(text)
    ? undefined
    : "must be a host name or an IP address, without user name, port or path";
}

/** A domain of at least two labels. */
export function domainProblem(text: string): string | undefined {
  return /^(?!-)[\p{L}\p{N}_-]+(\.[\p{L}\p{N}_-]+)+$/u.test(text)
    ? undefined
    : "must be a domain alone, such as mg.example.com: without scheme, port, slash or @";
}

/** https://github.com/mongodb/specifications/blob/master/source/connection-string/connection-string-spec.md */
export function mongoUriProblem(text: string): string | undefined {
  const rest = /^mongodb(?:\+srv)?:\/\/(.*)$/s.exec(text)?.[1];
  if (rest === undefined || rest === "")
    return "must begin with mongodb:// or mongodb+srv:// and name a host";
  const login = String.raw`(?:[^:/?#[\]@%\s]|%[\da-f]{2})+(?::(?:[^:/?#[\]@%\s]|%[\da-f]{2})*)?@`;
  const host = String.raw`(?:\[[\da-f:.%]+\]|[^:/?#[\]@,\s]+)(?::\d{1,5})?`;
  const option = String.raw`[^=&@?#\s]+=[^&#\s]*`;
  const options = `(?:\\?(?:${option}(?:&${option})*)?&?)?`;
  const whole = new RegExp(`^(?:${login})?${host}(?:,${host})*(?:/[^/?#@\\s]*)?${options}$`, "i");
  if (whole.test(rest)) return undefined;
  // An @ is right once after a login, and in an option's value, such as appName=@name@.
  return new RegExp(`^(?:${login})?[^@?]*(?:\\?[^@=]*(?:=.*)?)?$`, "is").test(rest)
    ? "must be mongodb://host:port/database, or several hosts separated by commas, and ?option=value if needed"
    : mustEncode;
}

/** `holds`: what else than scheme, host, port and path the URL may have. */
export function urlProblem(
  text: string,
  protocols: string[],
  holds: { login?: boolean; query?: boolean },
): string | undefined {
  const schemes = protocols.map((one) => `${one}://`).join(" or ");
  const [, scheme = "", authority = "", rest = ""] = /^([a-z][\w+.-]*):\/\/([^/?#]*)(.*)$/is.exec(text) ?? [];
  if (!protocols.includes(scheme.toLowerCase())) return `must be a URL that begins with ${schemes}`;
  if (!holds.login) {
    const isHost = /^(?:[^:@]*|\[.*\])(?::\d+)?$/.test(authority);
    if (authority.includes("@") || (!isHost && rest.includes("@")))
      return "must not contain a user name or a password (the part before @)";
  } else if (!/^(([^@%]|%[\da-f]{2})*@)?[^@]*$/i.test(authority) || /@|#/.test(rest)) return mustEncode;
  if (rest.includes("#")) return "must not contain #";
  if (!holds.query && rest.includes("?")) return "must not contain a query (the part from ?)";
  return URL.canParse(text) && new URL(text).hostname !== "" && !/\s/.test(text)
    ? undefined
    : `must be a URL that begins with ${schemes} and names a host, with at most one port`;
}

/** A value in an error: without what may be the login of a URL or a token in its query. */
export function shownValue(text: string): string {
  const risky = /:\/\/.*[@?#]|:.*@/s.test(text);
  return risky ? " (not shown: it may contain a password)" : ` (it is ${JSON.stringify(text)})`;
}
