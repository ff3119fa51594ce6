/**
 * Owns whether an event was ever to be streamed, for `verify` and the standing audit alike: what was committed before the
 * slot was first made was not. Promise: a lost event is never excused by what its row says. `created_at` belongs to the
 * application, which may date an event back or ahead; so the number of the transaction that wrote the row decides, by the
 * snapshots that the relay took (relay/ledger/snapshots.ts). Pure but for `readOriginFacts`.
 */
import type pg from 'pg';
import { readFirstStart } from '../ledger/progress-copy.ts';
import { readSnapshots } from '../ledger/snapshots.ts';
import { type PgSnapshot, parseSnapshot, visibility, wholeXid } from '../model/pg-snapshot.ts';

/**
 * - `streamed`: an event that is to be in a topic or a dead letter
 * - `before`: committed before the slot was first made
 * - `undated`: one or the other. No snapshot says which, and the row says that it is older than the mark of the relay.
 */
export type Origin = 'streamed' | 'before' | 'undated';

export type OriginFacts = {
  /** As Postgres prints them; null if unknown. */
  readonly first: string | null;
  readonly streamed: string | null;
  /** When a relay first began on the slot; -Infinity if none did. */
  readonly firstStartMs: number;
};

/** Numbers in rows have 32 bits and come again. */
const xidsPerEpoch = 1n << 32n;

export class Origins {
  readonly #first: PgSnapshot | undefined;
  readonly #streamed: PgSnapshot | undefined;
  readonly #firstStartMs: number;
  readonly #xmax: bigint;
  /** Of the last row: those of one transaction follow each other. */
  #xmin = '';
  #origin: Origin | undefined;

  /** @param xmax the first transaction number that the snapshot of the rows does not show */
  constructor({ first, streamed, firstStartMs }: OriginFacts, xmax: bigint) {
    this.#first = first === null ? undefined : parseSnapshot(first);
    this.#streamed = streamed === null ? undefined : parseSnapshot(streamed);
    this.#firstStartMs = firstStartMs;
    this.#xmax = xmax;
  }

  /**
   * @param xmin of the row, as Postgres prints it
   * @param createdAtMs counts only where no snapshot tells
   */
  of(xmin: string, createdAtMs: number | null): Origin {
    return this.#known(xmin) ?? ((createdAtMs ?? Number.NaN) < this.#firstStartMs ? 'undated' : 'streamed');
  }

  /** Whether a snapshot of this database says that a relay is to stream the row. Never by what the row says. */
  isOfHere(xmin: string): boolean {
    return this.#known(xmin) === 'streamed';
  }

  #known(xmin: string): Origin | undefined {
    if (xmin !== this.#xmin) [this.#xmin, this.#origin] = [xmin, this.#originOf(wholeXid(xmin, this.#xmax))];
    return this.#origin;
  }

  #originOf(xid: bigint): Origin | undefined {
    if (this.#first !== undefined && visibility(xid, this.#first) === 'visible') return 'before';
    const known = this.#first ?? this.#streamed;
    // The row may as well have an earlier number with the same bits.
    if (known === undefined || xid >= xidsPerEpoch) return undefined;
    return visibility(xid, known) === 'hidden' ? 'streamed' : undefined;
  }
}

/** @throws RelayError POSTGRES_* */
export async function readOriginFacts(
  client: pg.ClientBase,
  slot: string,
  systemIdentifier: string,
): Promise<OriginFacts> {
  const { first, streamed } = await readSnapshots(client, { slot, systemIdentifier });
  return { first, streamed, firstStartMs: await readFirstStart(client, slot) };
}
