/**
 * The application: writers that commit transactions over several keys without pause. Some are large, some are rolled
 * back, some roll back to a savepoint, and some hold an event that can never be published. A writer that loses its
 * connection during a commit does not know the outcome; the table does.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Random } from '../harness/random.ts';
import type { Oracle } from './oracle.ts';

export type OutboxEvent = {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly payload: unknown;
  readonly isPoison: boolean;
  /** Of the key: rises with each event. */
  readonly seq: number;
};

export const itemType = 'test.ItemMoved';

const writers = 3;
const keysPerWriter = 6;
const largeEvents = 260;
/** Longer than Postgres is away in any fault. */
const commitWithinMs = 120_000;
const pauseMs = { shortest: 15, longest: 60 };

export class Load {
  readonly #url: string;
  readonly #oracle: Oracle;
  readonly #random: Random;
  readonly #seqs = new Map<string, number>();
  readonly #ending = new AbortController();
  readonly #writing: Promise<void>[] = [];
  #gate: { promise: Promise<void>; resolve: () => void } | undefined;
  #busy = 0;

  constructor(url: string, oracle: Oracle, random: Random) {
    this.#url = url;
    this.#oracle = oracle;
    this.#random = random;
  }

  start(): void {
    for (let writer = 0; writer < writers; writer++) this.#writing.push(this.#write(writer));
  }

  /** Resolves when no transaction is open. */
  async pause(): Promise<void> {
    this.#gate ??= Promise.withResolvers<void>();
    while (this.#busy > 0) await delay(5);
  }

  resume(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    this.resume();
    await Promise.all(this.#writing);
  }

  event(key: string, options: { type?: string; note?: string; isPoison?: boolean } = {}): OutboxEvent {
    const { type = itemType, note = null, isPoison = false } = options;
    const seq = (this.#seqs.get(key) ?? 0) + 1;
    this.#seqs.set(key, seq);
    const payload = isPoison ? { key, seq: 'not a number' } : { key, seq, note };
    return { id: randomUUID(), key, type, payload, isPoison, seq };
  }

  /** Commits one transaction of its own, for faults. */
  commit(events: readonly OutboxEvent[]): Promise<void> {
    return this.commitWith(events, (client) => insert(client, events, randomUUID()));
  }

  /**
   * The same with statements of the caller, which write these events. Another fault may take the connection at that moment:
   * then the table tells whether it is committed, and if it is not, it is written again.
   */
  async commitWith(
    events: readonly OutboxEvent[],
    write: (client: pg.Client) => Promise<unknown>,
  ): Promise<void> {
    const endMs = performance.now() + commitWithinMs;
    for (let attempt = 1; ; attempt++) {
      try {
        const client = await connect(this.#url);
        try {
          if (attempt === 1 || !(await areThere(client, events))) await write(client);
          this.#oracle.committed(events);
          return;
        } finally {
          await client.end().catch(() => {});
        }
      } catch (error) {
        if (performance.now() >= endMs) throw error;
        await delay(pauseMs.longest);
      }
    }
  }

  async #write(writer: number): Promise<void> {
    let client: pg.Client | undefined;
    while (!this.#ending.signal.aborted) {
      await this.#gate?.promise;
      if (this.#ending.signal.aborted) break;
      this.#busy += 1;
      try {
        client ??= await connect(this.#url);
        await this.#transact(client, writer);
      } catch {
        void client?.end().catch(() => {});
        client = undefined;
      } finally {
        this.#busy -= 1;
      }
      await delay(this.#random.integer(pauseMs.shortest, pauseMs.longest));
    }
    await client?.end().catch(() => {});
  }

  async #transact(client: pg.Client, writer: number): Promise<void> {
    const random = this.#random;
    const size = random.chance(0.01)
      ? largeEvents
      : random.chance(0.2)
        ? random.integer(5, 15)
        : random.integer(1, 4);
    const events = this.#events(writer, size);
    if (random.chance(0.04)) events.push(this.event(`w${writer}-poison`, { isPoison: true }));
    const transaction = randomUUID();
    await client.query('begin');
    if (random.chance(0.1)) {
      await client.query('savepoint s');
      await insert(client, this.#events(writer, 3), transaction);
      await client.query('rollback to savepoint s');
    }
    await insert(client, events, transaction);
    if (random.chance(0.1)) {
      await client.query('rollback');
      return;
    }
    await client.query('commit');
    this.#oracle.committed(events);
  }

  #events(writer: number, count: number): OutboxEvent[] {
    return Array.from({ length: count }, () =>
      this.event(`w${writer}-k${this.#random.integer(1, keysPerWriter)}`),
    );
  }
}

async function areThere(client: pg.Client, events: readonly OutboxEvent[]): Promise<boolean> {
  const ids = events.map(({ id }) => id);
  const { rowCount } = await client.query('select from outbox.event where id = any($1)', [ids]);
  return rowCount === ids.length;
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {}); // the query under way, or the next one, fails
  await client.connect();
  return client;
}

async function insert(client: pg.Client, events: readonly OutboxEvent[], transaction: string): Promise<void> {
  const rows = events.map(({ id, key, type, payload, isPoison, seq }) => ({
    id,
    key,
    type,
    payload,
    headers: { seq: String(seq), tx: transaction, ...(isPoison ? { poison: 'yes' } : {}) },
  }));
  await client.query(
    `insert into outbox.event (id, aggregatetype, aggregateid, type, payload, headers)
     select (item ->> 'id')::uuid, 'item', item ->> 'key', item ->> 'type', item -> 'payload', item -> 'headers'
       from json_array_elements($1::json) with ordinality as given (item, n) order by n`,
    [JSON.stringify(rows)],
  );
}
