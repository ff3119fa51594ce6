/**
 * A model of Postgres as far as the relay meets it: the WAL, one logical slot with its walsender, the tables of the
 * relay, transactions and the locks its statements take. Held to the real server by test/simulate/model.kafka.test.ts.
 *
 * Left out: dirty reads cannot happen between the relay's statements, for each that matters holds a lock; so statements
 * take effect at once and are undone by a rollback.
 */

import type { Random } from '../../harness/random.ts';
import { formatLsn, type Lsn } from '../../relay/model/position.ts';
import { Server } from '../network.ts';
import type { Scheduler } from '../scheduler.ts';
import { Locks } from './locks.ts';
import type { OutboxEvent, WalTransaction } from './wal.ts';

export type DeadLetter = {
  readonly id: string;
  readonly commitLsn: Lsn;
  readonly ordinal: number;
  status: string;
  code: string;
  isReread: boolean;
};

export type Slot = {
  readonly name: string;
  confirmedLsn: Lsn;
  /** As the last checkpoint wrote it: where it is after a crash. */
  savedLsn: Lsn;
  reader: { readonly pid: number } | undefined;
};

export type ProgressRow = { publication: string | null; session: number };

export type DatabaseOptions = {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly nowMs: () => number;
  /** For the trace. */
  readonly note?: (what: string) => void;
  readonly onConfirmed?: (lsn: Lsn) => void;
  readonly onCommitted?: (transaction: WalTransaction) => void;
};

/** One connection's transaction. */
export class Transaction {
  readonly undo: (() => void)[] = [];
  readonly atCommit: (() => void)[] = [];
}

export class Database {
  readonly server = new Server('Postgres');
  readonly locks = new Locks();
  readonly wal: WalTransaction[] = [];
  readonly deadLetters = new Map<string, DeadLetter>();
  /** Where a walsender is told that there is more. */
  readonly onWal = new Set<() => void>();
  systemIdentifier = '7300000000000000001';
  timeline = 1;
  progress: ProgressRow | undefined;
  slot: Slot | undefined;
  beat = 0;
  readonly #options: DatabaseOptions;
  #insertLsn: Lsn;
  #xid = 700;
  #pid = 1_000;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    // Where LSNs get a digit more, in decimal or in hexadecimal, what compares them as text goes wrong.
    this.#insertLsn = options.random.pick([99_990_000n, 0xffff_f000n, 0xffff_ffff_f000n, 9_999_990_000n]);
  }

  get walLsn(): Lsn {
    return this.#insertLsn;
  }

  commit(events: readonly OutboxEvent[], beat?: WalTransaction['beat']): WalTransaction {
    const { random, nowMs } = this.#options;
    // Rows stand before the commit record, unless they were written before the last commit of another.
    const rows = random.chance(0.3) ? 0 : 100 * Math.max(1, events.length);
    const commitLsn = this.#insertLsn + BigInt(rows);
    const endLsn = commitLsn + BigInt(8 * random.integer(6, 20));
    this.#insertLsn = endLsn;
    const transaction: WalTransaction = {
      commitLsn,
      endLsn,
      xid: this.#xid++,
      committedAtMs: nowMs(),
      events,
      ...(beat === undefined ? {} : { beat }),
    };
    this.wal.push(transaction);
    this.#options.onCommitted?.(transaction);
    for (const tell of this.onWal) tell();
    return transaction;
  }

  nextPid(): number {
    this.#pid += 1;
    return this.#pid;
  }

  /** Something that is not ours. */
  writeOther(): void {
    this.#insertLsn += BigInt(8 * this.#options.random.integer(1, 200));
    for (const tell of this.onWal) tell();
  }

  createSlot(name: string): void {
    this.slot = { name, confirmedLsn: this.#insertLsn, savedLsn: this.#insertLsn, reader: undefined };
  }

  confirm(lsn: Lsn): void {
    const { slot } = this;
    if (slot === undefined || lsn <= slot.confirmedLsn) return;
    this.#options.onConfirmed?.(lsn);
    slot.confirmedLsn = lsn;
  }

  checkpoint(): void {
    if (this.slot !== undefined) this.slot.savedLsn = this.slot.confirmedLsn;
  }

  /** What was committed stays; the slot goes back to the last checkpoint. */
  crash(): void {
    const { slot } = this;
    if (slot === undefined) return;
    slot.confirmedLsn = slot.savedLsn;
    slot.reader = undefined;
  }

  /** Writes a dead letter, in a transaction. */
  setLetter(key: string, letter: DeadLetter, { undo }: Transaction): void {
    const before = this.deadLetters.get(key);
    this.deadLetters.set(key, letter);
    this.#options.note?.(`dead letter ${letter.id} is ${letter.status}`);
    undo.push(() => {
      this.#options.note?.(`dead letter ${letter.id} is ${before?.status ?? 'none'} again`);
      if (before === undefined) this.deadLetters.delete(key);
      else this.deadLetters.set(key, before);
    });
  }

  key(lsn: string, ordinal: number): string {
    return `${lsn}.${ordinal}`;
  }

  describeSlot(): string {
    return this.slot === undefined ? 'no slot' : `slot at ${formatLsn(this.slot.confirmedLsn)}`;
  }
}
