/** Where a command writes: answers to standard output, what is only for a person watching to standard error. */
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

/** A bar that is drawn over itself on a terminal; elsewhere a line each 2 s. */
export function progressBar(what: string, total: number) {
  const live = process.stderr.isTTY === true;
  let last = Date.now();
  return {
    show(done: number): void {
      if (!live && Date.now() - last < patienceMs) return;
      last = Date.now();
      const part = total === 0 ? 1 : Math.min(done / total, 1);
      const bar = "█".repeat(Math.round(part * 30)).padEnd(30, "░");
      const text = `${what} ${live ? `${bar} ` : ""}${Math.round(part * 100)} % (${done} of ${total})`;
      process.stderr.write(live ? `\r${text}\u001b[K` : `${text}\n`);
    },
    end(): void {
      if (live) process.stderr.write("\r\u001b[K");
    },
  };
}

/** Columns as wide as their widest cell; the last one is left as it is. */
export function table(heads: string[], rows: string[][]): string {
  const all = [heads, ...rows];
  const widths = heads.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Text that came from elsewhere: control characters could move the cursor or hide what follows. */
export const safe = (text: string): string => text.replace(/\p{Cc}+/gu, " ");
