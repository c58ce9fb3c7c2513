/** A provider needs all of its variables or none. */
export function missingParts(isSet: (name: string) => boolean, needed: string[], others: string[]): string[] {
  const given = [...needed, ...others].filter(isSet);
  if (given.length === 0) return [];
  const missing = needed.filter((name) => !isSet(name));
  return missing.map(
    (name) => `${name}: is missing although ${given.join(" and ")} ${given.length > 1 ? "are" : "is"} set`,
  );
}
