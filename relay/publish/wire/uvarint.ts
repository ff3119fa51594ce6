/** Writes unsigned varints of up to 32 bits: seven bits a byte, the lowest first. */

/** @returns the position after what was written */
export function writeUvarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value >>> 0;
  while (rest > 127) {
    bytes[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/** How many bytes `writeUvarint` writes. */
export function uvarintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest !== 0; rest >>>= 7) bytes += 1;
  return bytes;
}
