import { crc32, deflateSync, inflateSync } from "node:zlib";

const signature = Buffer.from("89504e470d0a1a0a", "hex");
const most = 256;

interface Pixels {
  width: number;
  height: number;
  /** Each as `0xrrggbb`. */
  colours: Uint32Array;
}

/** A browser's PNG in at most 256 colours: a third of the size, and nobody sees it in a picture of text and lines. */
export function withPalette(png: Buffer): Buffer {
  const { width, height, colours } = decode(png);
  const { palette, indexOf } = reduced(colours);
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      rows[y * (width + 1) + 1 + x] = indexOf.get(colours[y * width + x] as number) as number;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3], 8);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(palette.flatMap((one) => [one >> 16, (one >> 8) & 255, one & 255]))),
    chunk("IDAT", deflateSync(rows, { level: 9, memLevel: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), content]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(content.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** Of what Chromium writes: 8 bits a channel, three or four channels, not interlaced. */
function decode(png: Buffer): Pixels {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const channels = png[25] === 6 ? 4 : 3;
  const parts: Buffer[] = [];
  for (let at = signature.length; at < png.length; at += png.readUInt32BE(at) + 12)
    if (png.toString("latin1", at + 4, at + 8) === "IDAT")
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const raw = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  const pixels = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const at = y * stride + x;
      const left = x >= channels ? (pixels[at - channels] as number) : 0;
      const up = y > 0 ? (pixels[at - stride] as number) : 0;
      const corner = x >= channels && y > 0 ? (pixels[at - stride - channels] as number) : 0;
      const guess = [0, left, up, (left + up) >> 1, nearest(left, up, corner)][filter as number] as number;
      pixels[at] = (raw[y * (stride + 1) + 1 + x] as number) + guess;
    }
  }
  const colours = Uint32Array.from({ length: width * height }, (_, n) => {
    const at = n * channels;
    return ((pixels[at] as number) << 16) | ((pixels[at + 1] as number) << 8) | (pixels[at + 2] as number);
  });
  return { width, height, colours };
}

/** Paeth's predictor. */
function nearest(left: number, up: number, corner: number): number {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/** Median cut: the box of colours that is the longest, and the most used, is halved until there are enough. */
function reduced(colours: Uint32Array): { palette: number[]; indexOf: Map<number, number> } {
  const uses = new Map<number, number>();
  for (const one of colours) uses.set(one, (uses.get(one) ?? 0) + 1);
  const usesOf = (colour: number) => uses.get(colour) as number;
  const boxes = [boxOf([...uses.keys()], usesOf)];
  while (boxes.length < most) {
    const widest = boxes.reduce((a, b) => (b.weight > a.weight ? b : a));
    if (widest.weight === 0) break;
    const sorted = widest.colours.sort((a, b) => shade(a, widest.axis) - shade(b, widest.axis));
    const half = sorted.length >> 1;
    const halves = [sorted.slice(0, half), sorted.slice(half)].map((some) => boxOf(some, usesOf));
    boxes.splice(boxes.indexOf(widest), 1, ...halves);
  }
  const indexOf = new Map(boxes.flatMap(({ colours: some }, index) => some.map((one) => [one, index])));
  // The most used colour of each box: plain areas keep theirs.
  const palette = boxes.map(({ colours: some }) => some.reduce((a, b) => (usesOf(b) > usesOf(a) ? b : a)));
  return { palette, indexOf };
}

/** Its axis (the bits of the colour by which it is longest), and how much it asks to be halved. */
function boxOf(colours: number[], usesOf: (colour: number) => number) {
  const lengths = [16, 8, 0].map((axis) => {
    const shades = colours.map((one) => shade(one, axis));
    return { axis, length: Math.max(...shades) - Math.min(...shades) };
  });
  const { axis, length } = lengths.reduce((a, b) => (b.length > a.length ? b : a));
  const used = colours.reduce((sum, one) => sum + usesOf(one), 0);
  return { colours, axis, weight: length * Math.log2(1 + used) };
}

const shade = (colour: number, axis: number): number => (colour >> axis) & 255;
