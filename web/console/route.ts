/** The console's place in the address: `#/<view>/<id>?<query>`. */
export interface Place {
  view: string;
  id: string | undefined;
  query: URLSearchParams;
}

export function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#?\/?/, "").split(/\?(.*)/s);
  const [view = "", ...rest] = path.split("/");
  const id = rest.join("/");
  return {
    view: decoded(view) || "send",
    id: id ? decoded(id) : undefined,
    query: new URLSearchParams(query),
  };
}

/** Empty values of `query` are omitted. */
export function addressOf(view: string, id?: string, query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((one): one is [string, string] => Boolean(one[1]));
  const written = new URLSearchParams(given).toString();
  return `#/${view}${id === undefined ? "" : `/${encodeURIComponent(id)}`}${written && `?${written}`}`;
}

export function go(address: string): void {
  location.hash = address;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
