import { styleText } from "node:util";

/** Where a command writes: results to standard output, messages for the person at the terminal to standard error. */
export const terminal = {
  print(text: string): void {
    process.stdout.write(`${text}\n`);
  },
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  },
};

const patienceMs = 2_000;

/** Waits for `work`; when it takes more than 2 s it says what it waits for, on a terminal with the seconds. */
export async function watched<T>(what: string, work: Promise<T>): Promise<T> {
  const live = process.stderr.isTTY === true;
  const began = Date.now();
  let shown = false;
  const timer = setInterval(
    () => {
      if (live) process.stderr.write(`\r${what} … ${Math.round((Date.now() - began) / 1000)} s`);
      else if (!shown) process.stderr.write(`${what} …\n`);
      shown = true;
    },
    live ? 1_000 : patienceMs,
  );
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (live && shown) process.stderr.write("\r\u001b[K");
  }
}

/** A progress bar that redraws itself on a terminal; elsewhere one line every 2 s. */
export function progressBar(what: string, total: number) {
  const live = process.stderr.isTTY === true;
  let last = Date.now();
  return {
    /** `more`: what there is to say besides, such as the speed. */
    show(done: number, more = ""): void {
      if (!live && Date.now() - last < patienceMs) return;
      last = Date.now();
      const part = total === 0 ? 1 : Math.min(done / total, 1);
      const bar = "█".repeat(Math.round(part * 30)).padEnd(30, "░");
      const counts = `${Math.round(part * 100)} % (${done} of ${total})${more && `, ${more}`}`;
      const text = `${what} ${live ? `${bar} ` : ""}${counts}`;
      process.stderr.write(live ? `\r${text}\u001b[K` : `${text}\n`);
    },
    end(): void {
      if (live) process.stderr.write("\r\u001b[K");
    },
  };
}

/** How many columns there are to fill: the terminal's, and no limit where a file or a program reads. */
export function columnsOf(stream: { isTTY?: boolean; columns?: number } = process.stdout): number {
  return stream.isTTY ? stream.columns || 80 : Number.POSITIVE_INFINITY;
}

export type Style = Parameters<typeof styleText>[0];

/** In colour on a terminal. NO_COLOR and FORCE_COLOR are respected. */
export const styled = (style: Style | undefined, text: string): string =>
  style === undefined ? text : styleText(style, text);

/** Removes control characters from a text that came from elsewhere: they could move the cursor or hide what follows. */
export const safe = (text: string): string => text.replace(/\p{Cc}+/gu, " ");

/** A moment, ISO 8601 for programs and shorter (UTC) for people. */
export function momentOf(ms: number): string {
  const iso = new Date(ms).toISOString();
  return process.stdout.isTTY ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}` : iso;
}

/** For a column of a table: without the year, for people. */
export const shortMomentOf = (ms: number): string =>
  process.stdout.isTTY ? momentOf(ms).slice(5) : momentOf(ms);

/** Breaks a text at blanks into lines of at most `columns` characters. A longer word keeps a line of its own. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
