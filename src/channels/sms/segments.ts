/** GSM 03.38: the alphabet of 7-bit texts, and its extension, whose characters count twice. */
const basic = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const extension = new Set("\f^{}\\[~]|€");

/**
 * How many messages a phone network makes of a text: 160 characters of GSM-7, or 70 of UCS-2 (UTF-16 units) as soon as
 * one does not fit; in parts, 153 and 67, since each carries a header. A pair (escape and character, or two
 * surrogates) is never split between parts. At least 1.
 */
export function smsSegments(text: string): number {
  const characters = [...text];
  const gsm = characters.every((one) => basic.has(one) || extension.has(one));
  const sizes = characters.map((one) => (gsm ? (extension.has(one) ? 2 : 1) : one.length));
  const [single, part] = gsm ? [160, 153] : [70, 67];
  if (sizes.reduce((sum, size) => sum + size, 0) <= single) return 1;
  let segments = 1;
  let used = 0;
  for (const size of sizes) {
    if (used + size > part) {
      segments++;
      used = 0;
    }
    used += size;
  }
  return segments;
}
