/**
 * What the audit remembers of each event: one entry per distinct id, in a map and in columns of numbers. Measured with
 * 1,000,000 UUIDs on Node 24: 88 bytes per event, with the map and the place of its row (`row-places.ts`). A map of V8
 * holds at most 16.7 million entries.
 */
import { lengthened } from './lengthened.ts';

/** Small facts about an id, as bits. */
export const flag = {
  /** A dead letter that nobody resubmitted. */
  deadLetter: 1,
  /** A dead letter that was resubmitted; what was written in its place is another event. */
  resubmitted: 2,
  /** Committed after the snapshot of the table, which therefore says nothing about it. */
  newer: 4,
  /** A dead letter whose release the progress covers: its event must be in Kafka. */
  released: 8,
  /** Several events with this id. */
  repeated: 16,
  /** Listed as a duplicate. */
  duplicate: 32,
  /** Compaction may have removed its record. */
  superseded: 64,
  /** Resubmitted or released after the snapshot: its event may not be in Kafka yet. */
  underWay: 128,
  /** A replay published it again. */
  replayed: 256,
  /** One of its rows is to be published. */
  streamed: 512,
  /** One of its rows was committed before the slot was first made. */
  before: 1_024,
  /** One of its rows is of the one or the other. */
  undated: 2_048,
  /** One of its rows is known to be written in this database since a relay streams it. */
  ofHere: 4_096,
} as const;

const initialCapacity = 1_024;

export class EventIndex {
  readonly #slots = new Map<string, number>();
  #capacity = initialCapacity;
  /** Rows of the table with this id, and records in Kafka; both stop counting at 255. */
  #rows = new Uint8Array(initialCapacity);
  #records = new Uint8Array(initialCapacity);
  #flags = new Uint16Array(initialCapacity);
  /** The caller's number of the topic. */
  #topics = new Uint16Array(initialCapacity);
  #timesMs = new Float64Array(initialCapacity);
  /** The caller's hash of the position of its first record. */
  #positions = new Uint32Array(initialCapacity);

  get size(): number {
    return this.#slots.size;
  }

  find(id: string): number | undefined {
    return this.#slots.get(packId(id));
  }

  /** The slot of an id; a new one gets these values. */
  add(id: string, topic: number, timeMs: number): number {
    const key = packId(id);
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot = this.#slots.size;
    if (slot === this.#capacity) this.#grow();
    this.#slots.set(key, slot);
    this.#topics[slot] = topic;
    this.#timesMs[slot] = timeMs;
    return slot;
  }

  addRow(slot: number): void {
    this.#rows[slot] = Math.min(255, this.rows(slot) + 1);
  }

  addRecord(slot: number): void {
    this.#records[slot] = Math.min(255, this.records(slot) + 1);
  }

  addFlag(slot: number, bit: number): void {
    this.#flags[slot] = this.#flags[slot]! | bit;
  }

  setPosition(slot: number, hash: number): void {
    this.#positions[slot] = hash;
  }

  position(slot: number): number {
    return this.#positions[slot]!;
  }

  rows(slot: number): number {
    return this.#rows[slot]!;
  }

  records(slot: number): number {
    return this.#records[slot]!;
  }

  has(slot: number, bit: number): boolean {
    return (this.#flags[slot]! & bit) !== 0;
  }

  topic(slot: number): number {
    return this.#topics[slot]!;
  }

  timeMs(slot: number): number {
    return this.#timesMs[slot]!;
  }

  /** Slots in the order in which their ids were added. `id` is built on demand. */
  *entries(): Generator<{ readonly slot: number; readonly id: () => string }> {
    for (const [key, slot] of this.#slots) yield { slot, id: () => unpackId(key) };
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#rows = lengthened(this.#rows, this.#capacity);
    this.#records = lengthened(this.#records, this.#capacity);
    this.#flags = lengthened(this.#flags, this.#capacity);
    this.#topics = lengthened(this.#topics, this.#capacity);
    this.#positions = lengthened(this.#positions, this.#capacity);
    this.#timesMs = lengthened(this.#timesMs, this.#capacity);
  }
}

/** 32 bits of a position, which suffice to compare the records of one id. */
export function positionHash(position: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < position.length; at++) hash = Math.imul(hash ^ position.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Precedes an id that is not a UUID in its usual form. A packed UUID never begins with it, because it is above 0xff. */
const plain = '\u0100';

/** 16 one-byte characters for a UUID: less than half of its text. */
export function packId(id: string): string {
  if (id.length !== 36 || !uuidPattern.test(id)) return plain + id;
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('latin1');
}

export function unpackId(key: string): string {
  if (key.startsWith(plain)) return key.slice(1);
  const hex = Buffer.from(key, 'latin1').toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
