/**
 * Owns which transactions a window has counted, of those above the oldest one that was running. Each committed row belongs
 * to the first window whose snapshot shows its transaction. A snapshot printed as text does not list savepoints, so it
 * cannot say later what it showed; the numbers that were seen through it can. One bit a number.
 */
export class CountedXids {
  /** Every transaction below is counted. */
  readonly base: bigint;
  #bits: Uint8Array;

  constructor(base: bigint, bits: Uint8Array = new Uint8Array(0)) {
    this.base = base;
    this.#bits = bits;
  }

  get bits(): Uint8Array {
    return this.#bits;
  }

  has(xid: bigint): boolean {
    if (xid < this.base) return true;
    const at = Number(xid - this.base);
    return ((this.#bits[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  }

  add(xid: bigint): void {
    if (xid < this.base) return;
    const at = Number(xid - this.base);
    const byte = at >> 3;
    if (byte >= this.#bits.length) {
      const longer = new Uint8Array(Math.max(64, 2 * this.#bits.length, byte + 1));
      longer.set(this.#bits);
      this.#bits = longer;
    }
    this.#bits[byte] = this.#bits[byte]! | (1 << (at & 7));
  }

  /** The same above a later base. */
  from(base: bigint): CountedXids {
    const later = new CountedXids(base);
    for (const xid of this.after(base)) later.add(xid);
    return later;
  }

  /** Those from a number on, one by one. */
  *after(from: bigint): Generator<bigint> {
    const skipped = Number(from - this.base);
    for (let at = Math.max(0, skipped); at < 8 * this.#bits.length; at++)
      if ((this.#bits[at >> 3]! & (1 << (at & 7))) !== 0) yield this.base + BigInt(at);
  }
}
