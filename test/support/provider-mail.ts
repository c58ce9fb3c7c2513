/** A mail as a reader sees it. */
export interface ReadMail {
  /** The names of its headers, in order. */
  headers: string[];
  subject: string;
  text: string;
  html?: string;
}

/** Takes a mail apart that is one text, or a text with its HTML beside it (RFC 2045 to 2047, as far as they occur here). */
export function readMail(raw: string): ReadMail {
  const root = partOf(raw);
  const boundary = /boundary="?([^";]+)/.exec(root.header("content-type"))?.[1];
  const parts = boundary ? root.body.split(`--${boundary}`).slice(1, -1).map(partOf) : [root];
  const ofType = (type: string) => parts.find((part) => part.header("content-type").startsWith(type));
  const html = ofType("text/html");
  return {
    headers: root.names,
    subject: words(root.header("subject")),
    text: content(ofType("text/plain")),
    ...(html && { html: content(html) }),
  };
}

type Part = ReturnType<typeof partOf>;

function partOf(raw: string) {
  const text = raw.replace(/^\r\n/, "");
  const end = text.indexOf("\r\n\r\n");
  const fields = text
    .slice(0, end)
    .replace(/\r\n(?=[ \t])/g, "")
    .split("\r\n")
    .map((line) => [
      line.slice(0, line.indexOf(":")).toLowerCase(),
      line.slice(line.indexOf(":") + 1).trim(),
    ]);
  return {
    names: fields.map(([name]) => name as string),
    header: (name: string) => fields.find(([one]) => one === name)?.[1] ?? "",
    body: text.slice(end + 4),
  };
}

function content(part: Part | undefined): string {
  if (!part) return "";
  const encoding = part.header("content-transfer-encoding");
  const text = encoding === "base64" ? Buffer.from(part.body, "base64").toString() : part.body;
  const plain = encoding === "quoted-printable" ? unquoted(text.replace(/=\r\n/g, "")) : text;
  return plain.trim();
}

/** Encoded words; white space between two of them is none. */
function words(value: string): string {
  return value
    .replace(/(\?=)\s+(?==\?)/g, "$1")
    .replace(/=\?UTF-8\?([BQ])\?([^?]*)\?=/gi, (_word, encoding: string, text: string) =>
      encoding.toUpperCase() === "B"
        ? Buffer.from(text, "base64").toString()
        : unquoted(text.replace(/_/g, " ")),
    );
}

const unquoted = (text: string): string =>
  text.replace(/(?:=[0-9A-F]{2})+/g, (bytes) => Buffer.from(bytes.replace(/=/g, ""), "hex").toString());
