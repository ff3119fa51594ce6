/** Kafka's primitive types, read and written. A flexible version of a request has compact lengths and tagged fields. */

export class Reader {
  at = 0;
  readonly #bytes: Buffer;
  readonly isFlexible: boolean;

  constructor(bytes: Buffer, isFlexible = false) {
    this.#bytes = bytes;
    this.isFlexible = isFlexible;
  }

  byte(): number {
    return this.#bytes.readInt8(this.at++);
  }

  int16(): number {
    this.at += 2;
    return this.#bytes.readInt16BE(this.at - 2);
  }

  int32(): number {
    this.at += 4;
    return this.#bytes.readInt32BE(this.at - 4);
  }

  int64(): number {
    this.at += 8;
    return Number(this.#bytes.readBigInt64BE(this.at - 8));
  }

  take(length: number): Buffer {
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  string(): string {
    return this.take(this.isFlexible ? this.uvarint() - 1 : this.int16()).toString();
  }

  /** Bytes with their length before them. */
  bytes(): Buffer {
    return this.take(this.isFlexible ? this.uvarint() - 1 : this.int32());
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: this.isFlexible ? this.uvarint() - 1 : this.int32() }, read);
  }

  /** The tagged fields at the end of each structure of a flexible version. Nobody sends one to the model. */
  tags(): void {
    if (this.isFlexible && this.uvarint() !== 0) throw new Error('the model knows no tagged field');
  }

  uvarint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  /** Zigzag; what the relay writes here stays below 2^31. */
  varint(): number {
    const value = this.uvarint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

export class Writer {
  readonly #parts: Buffer[] = [];
  readonly #isFlexible: boolean;

  constructor(isFlexible = false) {
    this.#isFlexible = isFlexible;
  }

  byte(value: number): this {
    this.#parts.push(Buffer.from([value]));
    return this;
  }

  int16(value: number): this {
    const bytes = Buffer.alloc(2);
    bytes.writeInt16BE(value);
    this.#parts.push(bytes);
    return this;
  }

  int32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    this.#parts.push(bytes);
    return this;
  }

  int64(value: number): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(BigInt(value));
    this.#parts.push(bytes);
    return this;
  }

  string(text: string): this {
    const bytes = Buffer.from(text);
    if (this.#isFlexible) this.uvarint(bytes.length + 1);
    else this.int16(bytes.length);
    this.#parts.push(bytes);
    return this;
  }

  /** A text that is not there. */
  noString(): this {
    return this.#isFlexible ? this.uvarint(0) : this.int16(-1);
  }

  /** Bytes with their length before them. */
  raw(bytes: Buffer): this {
    if (this.#isFlexible) this.uvarint(bytes.length + 1);
    else this.int32(bytes.length);
    this.#parts.push(bytes);
    return this;
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    if (this.#isFlexible) this.uvarint(items.length + 1);
    else this.int32(items.length);
    for (const item of items) write(item);
    return this;
  }

  /** The end of a structure. */
  tags(): this {
    return this.#isFlexible ? this.byte(0) : this;
  }

  /** The end of a structure with tagged fields. */
  tagged(fields: Readonly<Record<number, Buffer>>): this {
    const entries = Object.entries(fields);
    this.uvarint(entries.length);
    for (const [tag, bytes] of entries) {
      this.uvarint(Number(tag)).uvarint(bytes.length);
      this.#parts.push(bytes);
    }
    return this;
  }

  uvarint(value: number): this {
    const bytes: number[] = [];
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
    bytes.push(rest);
    this.#parts.push(Buffer.from(bytes));
    return this;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
