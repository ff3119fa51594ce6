/**
 * One buffer that takes the values of all events, one after another. It grows and never shrinks, so events allocate
 * nothing here. A refused event is rolled back with `truncate(start)`. The encodings are those of Avro's primitives.
 */

const capacityBytesInitial = 64 * 1024;

/** Up to this length, a loop over character codes is faster than the call into C++. (63 is the longest length of one byte.) */
const shortTextMax = 40;

const two48 = 2 ** 48;

export class ByteSink {
  /** Where the next byte goes, which is the number of bytes written. */
  position = 0;
  private bytes: Buffer;
  private view: DataView;

  constructor(capacityBytes = capacityBytesInitial) {
    this.bytes = Buffer.allocUnsafeSlow(capacityBytes);
    this.view = viewOf(this.bytes);
  }

  /** The bytes from `from` on, without a copy: valid until they are truncated and overwritten. */
  slice(from = 0): Buffer {
    return this.bytes.subarray(from, this.position);
  }

  /** A copy of the bytes from `from` on. */
  copy(from = 0): Buffer {
    return Buffer.from(this.slice(from));
  }

  /** Forgets everything from `position` on. */
  truncate(position: number): void {
    if (position < 0 || position > this.position) throw new RangeError('truncate moves back only');
    this.position = position;
  }

  writeByte(byte: number): void {
    this.reserve(1);
    this.bytes[this.position++] = byte;
  }

  /** Avro int, or a long of that size: `value` is a 32-bit signed integer. */
  writeInt(value: number): void {
    this.reserve(5);
    this.writeVarint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  /** Avro long: `value` is a safe integer. */
  writeLong(value: number): void {
    if ((value | 0) === value) {
      this.writeInt(value);
      return;
    }
    // Zigzag of n is 2n, of -n it is 2(n-1)+1: six bits of the magnitude and the sign make the first byte. Doubling
    // first would leave the safe integers.
    const negative = value < 0;
    const magnitude = negative ? -(value + 1) : value;
    this.reserve(10);
    this.bytes[this.position++] = ((magnitude % 64) << 1) | (negative ? 1 : 0) | 128;
    this.writeGroups(Math.floor(magnitude / 64));
  }

  /** Avro long over all 64 bits: `value` is in [-2^63, 2^63). */
  writeBigLong(value: bigint): void {
    const small = Number(value);
    if (Number.isSafeInteger(small)) {
      this.writeLong(small);
      return;
    }
    const negative = value < 0n;
    const magnitude = negative ? -(value + 1n) : value;
    this.reserve(10);
    // 48 bits fill exactly seven bytes: 6 + 6 × 7. Beyond 2^53 something always follows.
    let low = Number(BigInt.asUintN(48, magnitude));
    this.bytes[this.position++] = ((low % 64) << 1) | (negative ? 1 : 0) | 128;
    low = Math.floor(low / 64);
    for (let group = 0; group < 6; group++) {
      this.bytes[this.position++] = (low % 128) | 128;
      low = Math.floor(low / 128);
    }
    this.writeVarint(Number(magnitude / BigInt(two48)));
  }

  /** IEEE 754 binary32, nearest to `value`. */
  writeFloat(value: number): void {
    this.reserve(4);
    this.view.setFloat32(this.position, value, true);
    this.position += 4;
  }

  writeDouble(value: number): void {
    this.reserve(8);
    this.view.setFloat64(this.position, value, true);
    this.position += 8;
  }

  /** Little-endian, as the parts of an Avro duration are. */
  writeUint32(value: number): void {
    this.reserve(4);
    this.view.setUint32(this.position, value, true);
    this.position += 4;
  }

  /** Avro bytes: length and content. */
  writeBytes(bytes: Uint8Array): void {
    this.writeLong(bytes.length);
    this.writeFixed(bytes);
  }

  /** Content without a length. */
  writeFixed(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** Avro string, UTF-8. Returns false and writes nothing if the text has a lone surrogate. */
  writeString(text: string): boolean {
    const length = text.length;
    if (length > shortTextMax) return this.writeEncodedString(text);
    this.reserve(length + 1);
    const bytes = this.bytes;
    const start = this.position + 1;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) return this.writeEncodedString(text);
      bytes[start + i] = code;
    }
    bytes[start - 1] = length << 1;
    this.position = start + length;
    return true;
  }

  private writeEncodedString(text: string): boolean {
    if (!text.isWellFormed()) return false;
    const size = Buffer.byteLength(text);
    this.writeLong(size);
    this.reserve(size);
    this.bytes.write(text, this.position, size, 'utf8');
    this.position += size;
    return true;
  }

  /** Seven bits a byte, lowest first, of a number below 2^53. */
  private writeGroups(value: number): void {
    let rest = value;
    while (rest > 0x7fffffff) {
      this.bytes[this.position++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.writeVarint(rest);
  }

  /** The same for 32 bits; room is reserved by the caller. */
  private writeVarint(value: number): void {
    const bytes = this.bytes;
    let rest = value;
    let at = this.position;
    while (rest > 127) {
      bytes[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.position = at;
  }

  private reserve(size: number): void {
    if (this.position + size > this.bytes.length) this.grow(size);
  }

  private grow(size: number): void {
    const bytes = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.position + size));
    this.bytes.copy(bytes, 0, 0, this.position);
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
