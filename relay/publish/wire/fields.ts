/** Writes the protocol's primitive types into a buffer of exactly the right size. */
export class Fields {
  readonly bytes: Buffer;
  #at = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  byte(value: number): void {
    this.#at = this.bytes.writeInt8(value, this.#at);
  }

  int16(value: number): void {
    this.#at = this.bytes.writeInt16BE(value, this.#at);
  }

  int32(value: number): void {
    this.#at = this.bytes.writeInt32BE(value, this.#at);
  }

  int64(value: bigint): void {
    this.#at = this.bytes.writeBigInt64BE(value, this.#at);
  }

  string(value: string): void {
    const size = Buffer.byteLength(value);
    this.int16(size);
    this.#at += this.bytes.write(value, this.#at, size, 'utf8');
  }
}

/** Bytes that a string takes. */
export const textBytes = (text: string): number => 2 + Buffer.byteLength(text);
