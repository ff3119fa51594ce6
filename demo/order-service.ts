/**
 * The order service: writers that know nothing of the relay. It offers a constant load, independent of the relay: the
 * clock alone decides what is due.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Random } from '../harness/random.ts';
import { abortWith } from '../relay/model/abort.ts';
import type { Oracle } from './oracle.ts';
import type { Payload } from './payloads.ts';
import { Deck, drawEvents, type Scenario } from './scenarios.ts';
import { shopTables, Transaction } from './transaction.ts';

export type OrderServiceOptions = {
  readonly databaseUrl: string;
  /** Events a second that commit, on average over a hundred transactions. */
  readonly rate: number;
  readonly seed: number;
  readonly oracle: Oracle;
  /** Leave out transactions that delete events from the table. */
  readonly keepsEvents: boolean;
  /** The payload as the deployed version of the application writes it. */
  readonly written: (payload: Payload) => Payload;
};

/** Transactions open at once: enough that most of the time some wait, commit or roll back beside one another. */
export const writerCount = 8;

/** Few enough that events of one key follow closely, and writers contend for them. */
const keyCount = 400;
const oddKeys = ['', ' ', 'Straße 7/№ 4', '鍵', '🔑', 'a.b:c;d"e\\f'] as const;

export class OrderService {
  readonly #options: OrderServiceOptions;
  readonly #pool: pg.Pool;
  readonly #random: Random;
  readonly #deck: Deck;
  readonly #keys: readonly string[];
  #offered = 0;

  constructor(options: OrderServiceOptions) {
    this.#options = options;
    this.#pool = new pg.Pool({
      connectionString: options.databaseUrl,
      max: writerCount,
      application_name: 'demo order service',
    });
    this.#pool.on('error', () => {}); // of an idle connection; its next use reports it
    this.#random = new Random(options.seed);
    this.#deck = new Deck(this.#random, ({ deletes }) => !(options.keepsEvents && deletes));
    this.#keys = [...oddKeys, ...Array.from({ length: keyCount }, () => this.#random.uuid())];
  }

  /** Writes until aborted, then finishes the transactions that are open. @throws whatever Postgres answers */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#pool.query(shopTables);
      const failed = new AbortController();
      const ending = abortWith(failed, signal);
      const startMs = performance.now();
      const writers = Array.from({ length: writerCount }, () =>
        this.#write(startMs, ending).catch((error: unknown) => {
          failed.abort();
          throw error;
        }),
      );
      await Promise.allSettled(writers);
      await Promise.all(writers);
    } finally {
      await this.#pool.end();
    }
  }

  async #write(startMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const due = ((performance.now() - startMs) / 1000) * this.#options.rate;
      const ahead = this.#offered - due;
      if (ahead > 0) {
        await sleep((ahead / this.#options.rate) * 1000, undefined, { signal }).catch(() => {});
        continue;
      }
      const scenario = this.#deck.next();
      const drafts = drawEvents(scenario, this.#random, this.#keys).map(({ payload, key }) => ({
        payload: this.#options.written(payload),
        key,
      }));
      // Counted before it is written, so that other writers do not start the same share of the load.
      if (!scenario.isRolledBack) this.#offered += drafts.length;
      await this.#transact(scenario, drafts);
    }
  }

  async #transact(scenario: Scenario, drafts: ReturnType<typeof drawEvents>): Promise<void> {
    const { oracle } = this.#options;
    const client = await this.#pool.connect();
    let isDone = false;
    try {
      await client.query('begin');
      const transaction = new Transaction(client);
      await scenario.write(transaction, await transaction.number(drafts), this.#random);
      const { command } = await client.query(scenario.isRolledBack ? 'rollback' : 'commit');
      const nowMs = performance.now();
      // Postgres answers the COMMIT of a failed transaction with ROLLBACK, and no error.
      if (!scenario.isRolledBack && command !== 'COMMIT')
        throw new Error(`COMMIT was answered with ${command}`);
      oracle.rolledBack(transaction.undone + (scenario.isRolledBack ? transaction.written.length : 0));
      if (!scenario.isRolledBack) oracle.committed(transaction.written, nowMs);
      this.#offered -= scenario.isRolledBack ? 0 : transaction.undone;
      isDone = true;
    } finally {
      client.release(!isDone);
    }
  }
}
