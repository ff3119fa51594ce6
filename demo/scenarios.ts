/**
 * The kinds of transactions that the order service writes: the shapes in which an outbox is used, and those in which
 * relays are known to lose, double or leak events.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../harness/random.ts';
import { badPayload, goodPayload, type Payload } from './payloads.ts';
import type { NumberedEvent, Transaction } from './transaction.ts';

export type Scenario = {
  readonly name: string;
  /** How often in a hundred transactions. */
  readonly weight: number;
  readonly events: (random: Random) => number;
  /** The transaction is rolled back by its application. */
  readonly isRolledBack?: boolean;
  /** Deletes events from the table, which `outbox-relay verify` then cannot tell from a leak. */
  readonly deletes?: boolean;
  /** Payloads; good ones by default. */
  readonly payload?: (random: Random, index: number) => Payload;
  readonly write: (
    transaction: Transaction,
    events: readonly NumberedEvent[],
    random: Random,
  ) => Promise<void>;
};

/** How long a slow transaction stays open: far longer than the others, so that many later ones commit before it. */
const slowMs = { shortest: 50, longest: 250 };

/** The clean-up keeps younger events, so that people can look at what is in flight. */
const cleanUpAfterSeconds = 10;

/** SQLSTATE restrict_violation: events are immutable. */
const updateRefused = '23001';

const scenarios: readonly Scenario[] = [
  {
    name: 'one insert',
    weight: 37,
    events: () => 1,
    write: (transaction, events) => transaction.insertEach(events),
  },
  {
    name: 'outbox.emit',
    weight: 12,
    events: (random) => random.integer(1, 3),
    write: (transaction, events) => transaction.emitEach(events),
  },
  {
    name: 'several aggregates and topics',
    weight: 16,
    events: (random) => random.integer(2, 20),
    write: (transaction, events) => transaction.insertEach(events),
  },
  {
    name: 'multi-row insert',
    weight: 7,
    events: (random) => random.integer(2, 40),
    write: (transaction, events) => transaction.insertTogether(events),
  },
  {
    name: 'COPY',
    weight: 3,
    events: (random) => random.integer(2, 60),
    write: (transaction, events) => transaction.copy(events),
  },
  {
    name: 'large',
    weight: 1,
    events: (random) => random.integer(100, 500),
    write: (transaction, events) => transaction.insertTogether(events),
  },
  {
    name: 'committed long after its start',
    weight: 4,
    events: (random) => random.integer(1, 5),
    async write(transaction, events, random) {
      await transaction.insertEach(events);
      await sleep(random.integer(slowMs.shortest, slowMs.longest));
    },
  },
  {
    name: 'rolled back',
    weight: 6,
    events: (random) => random.integer(1, 30),
    isRolledBack: true,
    write: (transaction, events) => transaction.insertEach(events),
  },
  {
    name: 'rolled back to a savepoint',
    weight: 5,
    events: (random) => random.integer(3, 12),
    async write(transaction, events) {
      const third = Math.floor(events.length / 3);
      await transaction.insertEach(events.slice(0, third));
      await transaction.undo(() => transaction.insertEach(events.slice(third, 2 * third)));
      await transaction.insertEach(events.slice(2 * third));
    },
  },
  {
    name: 'update refused',
    weight: 1,
    events: () => 2,
    isRolledBack: true,
    async write(transaction, events) {
      await transaction.insertEach(events);
      const update = transaction.client.query('update outbox.event set type = type where id = $1', [
        events[0]!.id,
      ]);
      const refusal: unknown = await update.then(
        () => undefined,
        (error: unknown) => error,
      );
      if (!(refusal instanceof Error && 'code' in refusal && refusal.code === updateRefused))
        throw new Error('Postgres did not refuse to update an event', { cause: refusal });
    },
  },
  {
    name: 'insert and delete',
    weight: 3,
    events: (random) => random.integer(1, 5),
    deletes: true,
    async write(transaction, events) {
      await transaction.insertEach(events);
      await transaction.client.query('delete from outbox.event where id = any($1::uuid[])', [
        events.map(({ id }) => id),
      ]);
    },
  },
  {
    name: 'clean-up of old events',
    weight: 2,
    events: () => 1,
    deletes: true,
    async write(transaction, events) {
      await transaction.client.query(
        `delete from outbox.event where created_at < clock_timestamp() - interval '${cleanUpAfterSeconds} s'`,
      );
      await transaction.insertEach(events);
    },
  },
  {
    name: 'an event that cannot be published, among others',
    weight: 3,
    events: (random) => random.integer(1, 5),
    payload: (random, index) => (index === 0 ? badPayload(random) : goodPayload(random)),
    write: (transaction, events) => transaction.insertEach(events),
  },
];

/** Deals the scenarios like cards: each as often as its weight says, in random order. */
export class Deck {
  readonly #cards: readonly Scenario[];
  readonly #random: Random;
  #left: Scenario[] = [];

  constructor(random: Random, isDealt: (scenario: Scenario) => boolean = () => true) {
    this.#random = random;
    this.#cards = scenarios
      .filter(isDealt)
      .flatMap((scenario) => Array<Scenario>(scenario.weight).fill(scenario));
  }

  next(): Scenario {
    if (this.#left.length === 0) this.#left = this.#random.shuffled(this.#cards);
    return this.#left.pop()!;
  }
}

/** What a scenario writes, before it has keys' locks and numbers. */
export function drawEvents(scenario: Scenario, random: Random, keys: readonly string[]) {
  const payload = scenario.payload ?? goodPayload;
  return Array.from({ length: scenario.events(random) }, (_, index) => ({
    payload: payload(random, index),
    key: random.pick(keys),
  }));
}
