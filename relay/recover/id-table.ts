/**
 * Owns how a recovery remembers the ids of millions of records: a number for each, in 21 bytes for an id with its
 * number, in open tables that are half to three quarters full: 28 to 42 bytes an id.
 *
 * Promise: two ids never count as one, or the event of the second would be lost. A UUID is kept as it is. Any other id is
 * kept as the first half of its SHA-256, apart from the UUIDs, since whoever chooses ids could choose a UUID that equals
 * the digest of another id.
 */
import { hash } from 'node:crypto';

/** So that a table grows in small steps: the old and the new form of one of them are never much of the whole. */
const tables = 256;
const firstCapacity = 16;
const fullest = 0.75;
const growth = 1.5;
const wordsOfId = 4;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export class IdTable {
  readonly #uuids = Array.from({ length: tables }, () => new OpenTable());
  readonly #others = Array.from({ length: tables }, () => new OpenTable());
  readonly #words = new Uint32Array(wordsOfId);

  get size(): number {
    const sizes = [...this.#uuids, ...this.#others].map(({ size }) => size);
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  has(id: string): boolean {
    return this.find(id) !== undefined;
  }

  /** The number of an id. */
  find(id: string): number | undefined {
    return this.#tableOf(id).find(this.#words);
  }

  /** Gives an id its number, 2^32 - 1 at most. An id that has one keeps it. @returns the number that it has then */
  add(id: string, number: number): number {
    return this.#tableOf(id).add(this.#words, number);
  }

  /** Gives an id another number. */
  set(id: string, number: number): void {
    this.#tableOf(id).set(this.#words, number);
  }

  /** Puts the words of the id where the table reads them. */
  #tableOf(id: string): OpenTable {
    const words = this.#words;
    const isUuid = id.length === 36 && uuidPattern.test(id);
    if (isUuid) {
      words[0] = Number.parseInt(id.slice(0, 8), 16);
      words[1] = Number.parseInt(id.slice(9, 13) + id.slice(14, 18), 16);
      words[2] = Number.parseInt(id.slice(19, 23) + id.slice(24, 28), 16);
      words[3] = Number.parseInt(id.slice(28), 16);
    } else {
      const digest = hash('sha256', id, 'buffer');
      for (let at = 0; at < wordsOfId; at++) words[at] = digest.readUInt32LE(4 * at);
    }
    return (isUuid ? this.#uuids : this.#others)[placeHash(words) % tables]!;
  }
}

/** Nobody who chooses ids can choose their places in the tables. */
const seed = Math.trunc(Math.random() * 2 ** 32);

/** Spreads the ids: of some kinds of UUID, most words are the same. */
function placeHash(words: Uint32Array): number {
  let value = seed;
  for (let at = 0; at < wordsOfId; at++) {
    value = Math.imul(value ^ words[at]!, 0x85ebca6b);
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
    value ^= value >>> 16;
  }
  return value >>> 0;
}

/** Linear probing. Nothing is ever removed. */
class OpenTable {
  #capacity = firstCapacity;
  #ids = new Uint32Array(wordsOfId * firstCapacity);
  #isUsed = new Uint8Array(firstCapacity);
  #numbers = new Uint32Array(firstCapacity);
  size = 0;

  find(words: Uint32Array): number | undefined {
    const slot = this.#slotOf(words);
    return this.#isUsed[slot] === 1 ? this.#numbers[slot] : undefined;
  }

  add(words: Uint32Array, number: number): number {
    const slot = this.#slotOf(words);
    if (this.#isUsed[slot] === 1) return this.#numbers[slot]!;
    this.#put(slot, words, number);
    if (this.size > fullest * this.#capacity) this.#grow();
    return number;
  }

  set(words: Uint32Array, number: number): void {
    this.add(words, number);
    this.#numbers[this.#slotOf(words)] = number;
  }

  #put(slot: number, words: Uint32Array, number: number): void {
    this.#ids.set(words, wordsOfId * slot);
    this.#isUsed[slot] = 1;
    this.#numbers[slot] = number;
    this.size += 1;
  }

  /** Where the id is, or else where it belongs. */
  #slotOf(words: Uint32Array): number {
    // The last digits of the hash chose the table, so the place goes by the first ones.
    let slot = Math.floor((placeHash(words) / 2 ** 32) * this.#capacity);
    while (this.#isUsed[slot] === 1 && !this.#isAt(slot, words))
      slot = slot + 1 === this.#capacity ? 0 : slot + 1;
    return slot;
  }

  #isAt(slot: number, words: Uint32Array): boolean {
    const from = wordsOfId * slot;
    for (let at = 0; at < wordsOfId; at++) if (this.#ids[from + at] !== words[at]) return false;
    return true;
  }

  #grow(): void {
    const [ids, isUsed, numbers] = [this.#ids, this.#isUsed, this.#numbers];
    this.#capacity = Math.ceil(this.#capacity * growth);
    this.#ids = new Uint32Array(wordsOfId * this.#capacity);
    this.#isUsed = new Uint8Array(this.#capacity);
    this.#numbers = new Uint32Array(this.#capacity);
    this.size = 0;
    for (let slot = 0; slot < isUsed.length; slot++) {
      if (isUsed[slot] === 0) continue;
      const words = ids.subarray(wordsOfId * slot, wordsOfId * (slot + 1));
      this.#put(this.#slotOf(words), words, numbers[slot]!);
    }
  }
}
