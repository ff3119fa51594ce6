/**
 * Owns the order in which missing events are published, as SQL, and how far it is the order of their commits.
 *
 * By commit time if Postgres kept it, else by the time the row was written, and within a transaction by statement and row.
 * Transactions whose commits did not wait for each other may be the other way round in the WAL, a few microseconds apart;
 * those of writers that take turns (on a lock, on a row) never are. The order of writing equals the order of commits for
 * writers that hold the lock of an aggregate when they write its events.
 */
import type { AbsentEvent } from './gap.ts';
import { IdTable } from './id-table.ts';

/**
 * What the order goes by, as columns of these names: `committed_us` and `created_us` in microseconds since 1970, or null if
 * unknown; `xid_age`, `command`, `place` and `relation` as in `AbsentEvent`. No two rows of a table are equal in all of it.
 */
export const publishingOrder = `coalesce(committed_us, created_us) nulls first, committed_us is not null,
  case when committed_us is null then xid_age end desc, command, created_us nulls first, place, relation`;

/**
 * Of several rows of one id, the latest counts: a person corrected a refused event and resubmitted it, and the later row is
 * the corrected one. By the same columns.
 */
export const latestFirst =
  'committed_us desc nulls last, xid_age, command desc, created_us desc nulls last, place desc, relation desc';

/**
 * Counts the keys that miss events of several transactions, if nobody knows which of these was committed first. Within one
 * transaction the order is always known. Takes 60 to 90 bytes a key.
 */
export class UncertainKeys {
  /** The transaction of a key, or `several`. */
  readonly #transactions = new IdTable();
  /** Keys that have an event without a commit time, and as their number whether they are counted. */
  readonly #untimed = new IdTable();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add({ topic, key, xid, committedUs }: AbsentEvent): void {
    const name = `${topic ?? ''}\0${key ?? ''}`;
    const known = this.#transactions.add(name, Number(xid));
    if (committedUs === null) this.#untimed.add(name, notCounted);
    if (known === Number(xid)) return;
    this.#transactions.set(name, several);
    if (this.#untimed.find(name) !== notCounted) return;
    this.#untimed.set(name, counted);
    this.#count += 1;
  }
}

/** No transaction has this number. */
const several = 0;

const notCounted = 0;
const counted = 1;
