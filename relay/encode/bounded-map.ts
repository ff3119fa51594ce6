/**
 * A cache whose keys come from rows. Its size is limited in bytes, because a key may be as long as its column. When it
 * is full, it drops the oldest entries.
 */
export class BoundedMap<Value> {
  readonly #bytesMax: number;
  readonly #entries = new Map<string, { readonly value: Value; readonly bytes: number }>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  /**
   * Stores the value as the newest entry, unless it alone exceeds the limit.
   * @param bytes approximate size of the value, without the key
   */
  set(key: string, value: Value, bytes: number): void {
    this.delete(key);
    const total = entryBytes + 2 * key.length + bytes;
    if (total > this.#bytesMax) return;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes + total <= this.#bytesMax) break;
      this.delete(oldest);
    }
    this.#entries.set(key, { value, bytes: total });
    this.#bytes += total;
  }

  delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}

/** Memory of a map entry and a small object, without the texts. */
const entryBytes = 200;
