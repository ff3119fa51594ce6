/**
 * A map for what is remembered under names that come from rows: bounded by bytes, since a name may be as long as its
 * column, and by nothing else that an application could get around. The oldest entries make room.
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

  get(key: string): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  /**
   * Remembers the value as the newest, unless it is larger than all there may be.
   * @param bytes of the value, about; those of the key are counted here
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

/** What a map, an entry and a small object take beside the texts. */
const entryBytes = 200;
