const space = /[ \t\n\r]*/y;
const word =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no text of JSON has them
  /"(?:[^"\\\0-\x1f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]/y;

/** Index of the first invalid token. Browsers report it in different words, or not at all. */
export function faultIn(text: string): number {
  const endOf = (pattern: RegExp, from: number) => {
    pattern.lastIndex = from;
    return pattern.test(text) ? pattern.lastIndex : from;
  };
  /** The closing bracket of each open object or list. */
  const open: string[] = [];
  let wants: "value" | "first" | "name" | "colon" | "next" = "value";
  for (let at = 0; ; ) {
    at = endOf(space, at);
    const end = endOf(word, at);
    const [it, inner] = [text.slice(at, end), open.at(-1)];
    if (it === "") return at;
    const isClosed = it === inner && (wants === "next" || wants === "first");
    if (isClosed) open.pop();
    if (isClosed) wants = "next";
    else if (wants === "next" && it === "," && inner) wants = inner === "}" ? "name" : "value";
    else if (wants === "colon" && it === ":") wants = "value";
    else if (wants === "name" || (wants === "first" && inner === "}")) {
      if (!it.startsWith('"')) return at;
      wants = "colon";
    } else if (wants === "next" || wants === "colon" || /^[}\],:]/.test(it)) return at;
    else if (it === "{" || it === "[") {
      open.push(it === "{" ? "}" : "]");
      wants = "first";
    } else wants = "next";
    at = end;
  }
}
