/** Owns the output of a decompression: a buffer that grows as it is written, up to a limit. */
import { batchTooLarge, corrupt } from './failures.ts';

const initialBytes = 64 * 1024;

export class Output {
  readonly #maxBytes: number;
  #buffer = Buffer.allocUnsafe(0);
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Appends a part of the input. */
  literal(input: Buffer, start: number, end: number): void {
    if (end > input.length) throw corrupt();
    this.reserve(end - start);
    input.copy(this.#buffer, this.#length, start, end);
    this.#length += end - start;
  }

  /** Appends `length` bytes from `distance` bytes back. The two ranges may overlap, which repeats a pattern. */
  repeat(distance: number, length: number): void {
    if (distance === 0 || distance > this.#length) throw corrupt();
    this.reserve(length);
    for (let left = length; left > 0; ) {
      const size = Math.min(left, distance);
      const from = this.#length - distance;
      this.#buffer.copyWithin(this.#length, from, from + size);
      this.#length += size;
      left -= size;
    }
  }

  reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed > this.#maxBytes) throw batchTooLarge(this.#maxBytes);
    if (needed <= this.#buffer.length) return;
    const size = Math.min(this.#maxBytes, Math.max(needed, 2 * this.#buffer.length, initialBytes));
    const grown = Buffer.allocUnsafe(size);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
