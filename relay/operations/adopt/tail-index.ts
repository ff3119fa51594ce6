/**
 * What is remembered of each event of the tail while the topics are read: its id in 28 to 42 bytes, and where it goes in
 * 17.
 *
 * Promise: two ids never count as one (IdTable). Two destinations may, once in some 10^14 pairs: then a person is asked
 * about an event without need, and nothing is decided by it.
 */
import { hash } from 'node:crypto';
import { murmur2 } from '../../encode/murmur2.ts';
import { IdTable } from '../../recover/id-table.ts';

/** For reports: the ids of the last events are kept as text too. */
const namesKept = 100_000;
const firstCapacity = 1_024;
/** No hash of a key, which has 31 bits. */
const noKey = 0xffff_ffff;

export class TailIndex {
  readonly #numbers = new IdTable();
  readonly #names: string[] = [];
  readonly #topicNumbers = new Map<string | undefined, number>();
  readonly #topics: (string | undefined)[] = [];
  #destinations = new Float64Array(firstCapacity);
  #topicOf = new Uint32Array(firstCapacity);
  #keyHashes = new Uint32Array(firstCapacity);
  #lacking = new Uint8Array(firstCapacity);
  #size = 0;
  #repeated = 0;

  /** Number of ids. */
  get size(): number {
    return this.#size;
  }

  /** Rows whose id an earlier row of the tail has. */
  get repeated(): number {
    return this.#repeated;
  }

  /** Topics that the events go to; undefined for none. */
  get topics(): readonly (string | undefined)[] {
    return this.#topics;
  }

  has(id: string): boolean {
    return this.#numbers.has(id);
  }

  /** The number of an event, from 0 in the order of the stream; undefined if the tail does not have it. */
  find(id: string): number | undefined {
    return this.#numbers.find(id);
  }

  /** @param lacksHeaders whether its row lacks headers that it should bring */
  add(id: string, topic: string | undefined, key: string | null, lacksHeaders = false): void {
    const number = this.#size;
    if (this.#numbers.add(id, number) !== number) {
      this.#repeated += 1;
      return;
    }
    if (number === this.#destinations.length) this.#grow();
    this.#names[number % namesKept] = id;
    this.#destinations[number] = destinationOf(topic, key);
    this.#topicOf[number] = this.#numberOf(topic);
    this.#keyHashes[number] = key === null ? noKey : murmur2(Buffer.from(key)) & 0x7fff_ffff;
    this.#lacking[number] = lacksHeaders ? 1 : 0;
    this.#size += 1;
  }

  lacksHeaders(number: number): boolean {
    return this.#lacking[number] === 1;
  }

  /** As `destinationOf`. */
  destination(number: number): number {
    return this.#destinations[number]!;
  }

  topic(number: number): string | undefined {
    return this.#topics[this.#topicOf[number]!];
  }

  /** The partition that the key of an event leads to; undefined without a key. */
  partition(number: number, partitions: number): number | undefined {
    const keyHash = this.#keyHashes[number]!;
    return keyHash === noKey ? undefined : keyHash % partitions;
  }

  /** The id as text, for people; undefined where the tail is too long to keep it. */
  name(number: number): string | undefined {
    return this.#size - number > namesKept ? undefined : this.#names[number % namesKept];
  }

  #numberOf(topic: string | undefined): number {
    const known = this.#topicNumbers.get(topic);
    if (known !== undefined) return known;
    this.#topicNumbers.set(topic, this.#topics.length);
    return this.#topics.push(topic) - 1;
  }

  #grow(): void {
    const capacity = 2 * this.#size;
    const [destinations, topicOf, keyHashes] = [this.#destinations, this.#topicOf, this.#keyHashes];
    const lacking = this.#lacking;
    this.#lacking = new Uint8Array(capacity);
    this.#lacking.set(lacking);
    this.#destinations = new Float64Array(capacity);
    this.#destinations.set(destinations);
    this.#topicOf = new Uint32Array(capacity);
    this.#topicOf.set(topicOf);
    this.#keyHashes = new Uint32Array(capacity);
    this.#keyHashes.set(keyHashes);
  }
}

/** Topic and key as a number of 48 bits. */
export function destinationOf(topic: string | undefined, key: string | null): number {
  return hash('sha256', `${topic ?? ''}\0${key === null ? '' : `=${key}`}`, 'buffer').readUIntBE(0, 6);
}
