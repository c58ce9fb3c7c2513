/**
 * The one of `known` that `word` is probably a misspelling of: the same letters in another case or with other
 * separators, one slip in a word of 5 letters (a letter too many, too few, wrong, or two exchanged), or two in a word of 12.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  // Callers choose the word: the comparison takes as long as the word is.
  if (word.length > longest) return undefined;
  const plain = (text: string) => text.toUpperCase().replace(/[^A-Z0-9]/g, "");
  const asked = plain(word);
  const slips = asked.length >= 12 ? 2 : asked.length >= 5 ? 1 : 0;
  return (
    known
      .map((one) => ({ one, text: plain(one) }))
      // Each environment variable is compared with each of ours at every start.
      .filter(({ text }) => Math.abs(text.length - asked.length) <= slips)
      .map(({ one, text }) => ({ one, slips: slipsBetween(asked, text) }))
      .filter((one) => one.slips <= slips)
      .sort((a, b) => a.slips - b.slips)[0]?.one
  );
}

const longest = 100;

/** The end of a sentence about a wrong word: `; did you mean email?`, or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const guess = nearest(word, known);
  return guess === undefined ? "" : `; did you mean ${guess}?`;
}

/** Damerau's distance, with exchanges of neighbours only. */
export function slipsBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  const at = (row: number, column: number) => rows[row]?.[column] as number;
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const steps = [at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1)];
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) steps.push(at(i - 2, j - 2) + 1);
      rows[i]?.push(Math.min(...steps));
    }
  }
  return at(a.length, b.length);
}
