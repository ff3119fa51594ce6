/**
 * Owns what a recovery remembers of each absent event: one entry per distinct id, in maps and in columns of numbers. A
 * long outage leaves millions of them, and an outbox that is kept longer than its topics has as many that were published.
 * As objects they take 500 bytes each and more. Measured with `bench/recover.ts`: 2,000,000 missing events with UUIDs and
 * short keys, the whole process 870 MiB; 500,000 of them 400 MiB, and 560 MiB as objects.
 */
import { packId, unpackId } from '../audit/event-index.ts';
import { lengthened } from '../audit/lengthened.ts';
import { type AbsentEvent, compareOrder } from './gap.ts';

/** A map of V8 holds at most 16.7 million entries. */
const shards = 64;
const initialCapacity = 1_024;

/** Stands for null; Postgres has no such time. */
const noTime = -(2n ** 63n);

/** Some of the events of one store, in an order. Makes an object of an event when it is asked for. */
export interface AbsentList extends Iterable<AbsentEvent> {
  readonly length: number;
  at(index: number): AbsentEvent;
  slice(from: number, to: number): AbsentEvent[];
}

export class AbsentEvents {
  readonly #slots = Array.from({ length: shards }, () => new Map<string, number>());
  readonly #ids: string[] = [];
  readonly #keys: (string | null)[] = [];
  readonly #relations = new Names();
  readonly #topics = new Names();
  #capacity = initialCapacity;
  #relation = new Uint32Array(initialCapacity);
  #topic = new Uint32Array(initialCapacity);
  #page = new Uint32Array(initialCapacity);
  #line = new Uint16Array(initialCapacity);
  #xid = new Uint32Array(initialCapacity);
  #wholeXid = new BigUint64Array(initialCapacity);
  #xidAge = new Int32Array(initialCapacity);
  #command = new Uint32Array(initialCapacity);
  #committedUs = new BigInt64Array(initialCapacity);
  #createdUs = new BigInt64Array(initialCapacity);

  get size(): number {
    return this.#ids.length;
  }

  find(id: string): number | undefined {
    const key = packId(id);
    return this.#shard(key).get(key);
  }

  add(event: AbsentEvent): void {
    const key = packId(event.id);
    const slot = this.#ids.length;
    if (slot === this.#capacity) this.#grow();
    this.#shard(key).set(key, slot);
    this.#ids.push(key);
    this.#keys.push(event.key);
    this.#write(slot, event);
  }

  /** Another row of the same id. */
  replace(slot: number, event: AbsentEvent): void {
    this.#keys[slot] = event.key;
    this.#write(slot, event);
  }

  xidAge(slot: number): number {
    return this.#xidAge[slot]!;
  }

  at(slot: number): AbsentEvent {
    return { id: unpackId(this.#ids[slot]!), ...this.#orderOf(slot), ...this.#restOf(slot) };
  }

  /** @param slots in the order of the list */
  list(slots: Uint32Array): AbsentList {
    return new Slots(this, slots);
  }

  /** The list in the order of publishing. */
  sorted(slots: Uint32Array): Uint32Array {
    // Without an object for each comparison.
    const [a, b] = [this.#view(), this.#view()];
    return slots.toSorted((left, right) => {
      a.slot = left;
      b.slot = right;
      return compareOrder(a, b);
    });
  }

  #view() {
    const store = this;
    return {
      slot: 0,
      get committedUs() {
        return timeOf(store.#committedUs[this.slot]!);
      },
      get createdUs() {
        return timeOf(store.#createdUs[this.slot]!);
      },
      get xidAge() {
        return store.#xidAge[this.slot]!;
      },
      get command() {
        return store.#command[this.slot]!;
      },
      get place() {
        return store.#placeOf(this.slot);
      },
    };
  }

  #orderOf(slot: number) {
    return {
      committedUs: timeOf(this.#committedUs[slot]!),
      createdUs: timeOf(this.#createdUs[slot]!),
      xidAge: this.#xidAge[slot]!,
      command: this.#command[slot]!,
      place: this.#placeOf(slot),
    };
  }

  #restOf(slot: number) {
    return {
      relation: this.#relations.name(this.#relation[slot]!) ?? '',
      xid: String(this.#xid[slot]!),
      wholeXid: this.#wholeXid[slot]!,
      topic: this.#topics.name(this.#topic[slot]!),
      key: this.#keys[slot]!,
    };
  }

  #placeOf(slot: number): string {
    return `(${this.#page[slot]!},${this.#line[slot]!})`;
  }

  #write(slot: number, event: AbsentEvent): void {
    const [page = 0, line = 0] = event.place.slice(1, -1).split(',').map(Number);
    this.#relation[slot] = this.#relations.number(event.relation);
    this.#topic[slot] = this.#topics.number(event.topic);
    this.#page[slot] = page;
    this.#line[slot] = line;
    this.#xid[slot] = Number(event.xid);
    this.#wholeXid[slot] = event.wholeXid;
    this.#xidAge[slot] = event.xidAge;
    this.#command[slot] = event.command;
    this.#committedUs[slot] = event.committedUs ?? noTime;
    this.#createdUs[slot] = event.createdUs ?? noTime;
  }

  #shard(key: string): Map<string, number> {
    // The last characters of a UUID are random in all of its versions but one, and counted in that.
    return this.#slots[key.charCodeAt(key.length - 1) % shards]!;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#relation = lengthened(this.#relation, this.#capacity);
    this.#topic = lengthened(this.#topic, this.#capacity);
    this.#page = lengthened(this.#page, this.#capacity);
    this.#line = lengthened(this.#line, this.#capacity);
    this.#xid = lengthened(this.#xid, this.#capacity);
    this.#wholeXid = lengthened(this.#wholeXid, this.#capacity);
    this.#xidAge = lengthened(this.#xidAge, this.#capacity);
    this.#command = lengthened(this.#command, this.#capacity);
    this.#committedUs = lengthened(this.#committedUs, this.#capacity);
    this.#createdUs = lengthened(this.#createdUs, this.#capacity);
  }
}

const timeOf = (us: bigint): bigint | null => (us === noTime ? null : us);

/** Few different texts, each once. 0 is none. */
class Names {
  readonly #names: (string | undefined)[] = [undefined];
  readonly #numbers = new Map<string, number>();

  number(name: string | undefined): number {
    if (name === undefined) return 0;
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#names.length;
    this.#names.push(name);
    this.#numbers.set(name, number);
    return number;
  }

  name(number: number): string | undefined {
    return this.#names[number];
  }
}

class Slots implements AbsentList {
  readonly #store: AbsentEvents;
  readonly #slots: Uint32Array;

  constructor(store: AbsentEvents, slots: Uint32Array) {
    this.#store = store;
    this.#slots = slots;
  }

  get length(): number {
    return this.#slots.length;
  }

  at(index: number): AbsentEvent {
    return this.#store.at(this.#slots[index]!);
  }

  slice(from: number, to: number): AbsentEvent[] {
    return Array.from(this.#slots.subarray(from, to), (slot) => this.#store.at(slot));
  }

  *[Symbol.iterator](): Generator<AbsentEvent> {
    for (const slot of this.#slots) yield this.#store.at(slot);
  }
}

/** Slots that are collected one by one. */
export class SlotList {
  #slots = new Uint32Array(initialCapacity);
  #length = 0;

  push(slot: number): void {
    if (this.#length === this.#slots.length) this.#slots = lengthened(this.#slots, this.#length * 2);
    this.#slots[this.#length++] = slot;
  }

  get slots(): Uint32Array {
    return this.#slots.subarray(0, this.#length);
  }
}
