/** A type's key as a title: `new_login` is "New login", `SUBSCRIPTION_EXPIRY` "Subscription expiry". */
export function inWords(key: string): string {
  const words = key
    .replace(/(?<=[a-z\d])(?=[A-Z])/g, " ")
    .split(/[\s_.-]+/)
    .filter(Boolean)
    .join(" ");
  // One word of capitals may be an abbreviation; a key of capitals is not.
  const text = words === words.toUpperCase() || /[a-z] [A-Z]/.test(words) ? words.toLowerCase() : words;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export interface Row {
  name: string;
  value: string;
}

const mostRows = 50;
const mostCharacters = 500;

/** Flattens `data` into names and values that a person can read. A nested value has its path as its name. */
export function rowsOf(data: unknown): Row[] {
  const rows: Row[] = [];
  add(data, []);
  return rows;

  function add(value: unknown, path: string[]): void {
    if (rows.length >= mostRows || value === null || value === undefined || value === "") return;
    if (typeof value === "object" && !isPlainList(value)) {
      for (const [name, inner] of Object.entries(value))
        add(inner, [...path, Array.isArray(value) ? String(Number(name) + 1) : inWords(name)]);
    } else if (path.length > 0) rows.push({ name: path.join(", "), value: cut(textOf(value)) });
  }
}

const isPlainList = (value: object): value is unknown[] =>
  Array.isArray(value) && value.every((one) => typeof one !== "object" || one === null);

function textOf(value: unknown): string {
  if (Array.isArray(value))
    return value
      .filter((one) => one !== null)
      .map(textOf)
      .join(", ");
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

const cut = (text: string): string =>
  text.length > mostCharacters ? `${text.slice(0, mostCharacters).replace(/\p{Cs}$/u, "")}…` : text;
