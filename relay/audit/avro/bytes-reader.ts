/** Reads Avro's binary encoding. It trusts nothing: every length is checked against the bytes that are there. */
import { isUtf8 } from 'node:buffer';

/** The bytes are not a value of the schema. */
export class Malformed extends Error {}

/** Otherwise a list of items that take no bytes could have any length. */
const mostItems = 10_000_000;

export class BytesReader {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.at === this.#bytes.length;
  }

  take(size: number): Buffer {
    const end = this.at + size;
    if (end > this.#bytes.length) throw new Malformed();
    const part = this.#bytes.subarray(this.at, end);
    this.at = end;
    return part;
  }

  byte(): number {
    return this.take(1)[0]!;
  }

  boolean(): boolean {
    const byte = this.byte();
    if (byte > 1) throw new Malformed();
    return byte === 1;
  }

  long(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (value >= 1n << 64n) throw new Malformed();
      return (value >> 1n) ^ -(value & 1n);
    }
    throw new Malformed();
  }

  int(): bigint {
    const value = this.long();
    if (BigInt.asIntN(32, value) !== value) throw new Malformed();
    return value;
  }

  sized(): Buffer {
    const size = this.long();
    if (size < 0n || size > this.#bytes.length) throw new Malformed();
    return this.take(Number(size));
  }

  string(): string {
    const bytes = this.sized();
    if (!isUtf8(bytes)) throw new Malformed();
    return bytes.toString();
  }

  /** Calls `read` for each item of the blocks of an array or a map, until it returns something other than undefined. */
  blocks<T>(read: (index: number) => T | undefined): T | undefined {
    let index = 0;
    for (;;) {
      let count = this.long();
      if (count === 0n) return undefined;
      if (count < 0n) {
        count = -count;
        this.long(); // bytes of the block
      }
      if (count > mostItems) throw new Malformed();
      for (; count > 0n; count--) {
        const result = read(index++);
        if (result !== undefined) return result;
        if (index > mostItems) throw new Malformed();
      }
    }
  }
}
