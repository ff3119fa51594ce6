/**
 * Writes the protocol's primitive types into a buffer of exactly the right size. Versions of a request that are called
 * flexible hold lengths as unsigned varints, one greater than they are, and end each structure with its tagged fields.
 * @see https://cwiki.apache.org/confluence/display/KAFKA/KIP-482
 */
import { uvarintBytes, writeUvarint } from './uvarint.ts';

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

  /** Number of entries or bytes, as flexible versions hold it. */
  compactLength(length: number): void {
    this.#at = writeUvarint(this.bytes, this.#at, length + 1);
  }

  compactString(value: string): void {
    const size = Buffer.byteLength(value);
    this.compactLength(size);
    this.#at += this.bytes.write(value, this.#at, size, 'utf8');
  }

  /** Ends a structure of a flexible version: it has no tagged fields. */
  noTags(): void {
    this.byte(0);
  }
}

/** Bytes that a string takes. */
export const textBytes = (text: string): number => 2 + Buffer.byteLength(text);

/** Bytes that a length takes in a flexible version. */
export const compactLengthBytes = (length: number): number => uvarintBytes(length + 1);

/** Bytes that a string takes in a flexible version. */
export function compactTextBytes(text: string): number {
  const size = Buffer.byteLength(text);
  return compactLengthBytes(size) + size;
}
