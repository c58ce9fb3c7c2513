/** Keeps the caller's spelling: which of two names is canonical differs between versions. Undefined for no IANA zone. */
export function knownTimeZone(text: string): string | undefined {
  // Newer versions accept offsets such as +01:00, which have no summer time.
  if (!/^[A-Za-z]/.test(text)) return undefined;
  try {
    new Intl.DateTimeFormat("en", { timeZone: text });
    return text;
  } catch {
    return undefined;
  }
}
