/**
 * Writes zigzag varints and texts, as Kafka's records hold them, into a buffer. Each function returns the position
 * after what it wrote. The caller makes sure that the buffer is large enough.
 * @see https://kafka.apache.org/documentation/#record
 */

/** Up to this length a loop over character codes is faster than the call into C++. UUIDs and positions are shorter. */
const shortTextMax = 40;

/** `value` is a 32-bit signed integer. */
export function writeVarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  while (rest > 127) {
    bytes[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/** `value` is a safe integer. */
export function writeVarlong(bytes: Buffer, start: number, value: number): number {
  if ((value | 0) === value) return writeVarint(bytes, start, value);
  let at = start;
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  while (rest > 127n) {
    bytes[at++] = Number(rest & 127n) | 128;
    rest >>= 7n;
  }
  bytes[at++] = Number(rest);
  return at;
}

/** How many bytes `writeVarint` writes for a length. */
export function varintBytes(length: number): number {
  let bytes = 1;
  for (let rest = length >>> 6; rest !== 0; rest >>>= 7) bytes += 1;
  return bytes;
}

/** Writes length and UTF-8. A lone surrogate becomes U+FFFD, as everywhere in Node. */
export function writeText(bytes: Buffer, start: number, text: string): number {
  const length = text.length;
  if (length > shortTextMax) return writeLongText(bytes, start, text);
  const first = start + 1;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return writeLongText(bytes, start, text);
    bytes[first + i] = code;
  }
  bytes[start] = length << 1;
  return first + length;
}

function writeLongText(bytes: Buffer, start: number, text: string): number {
  const size = Buffer.byteLength(text);
  const at = writeVarint(bytes, start, size);
  bytes.write(text, at, size, 'utf8');
  return at + size;
}
