/**
 * A model of the parts of Postgres that the relay uses: the WAL, one logical slot with its walsender, the tables of the
 * relay, transactions, and the locks that its statements take. test/simulate compares it with real servers.
 *
 * Statements take effect at once, and a rollback undoes them. Dirty reads do not matter here: every statement of the relay
 * for which they would matter holds a lock.
 */

import type { Random } from '../../harness/random.ts';
import { type Control, noControl, type Pause } from '../../relay/model/control.ts';
import { formatLsn, type Lsn } from '../../relay/model/position.ts';
import { Server } from '../network.ts';
import type { Scheduler } from '../scheduler.ts';
import { Locks } from './locks.ts';
import type { OutboxEvent, WalTransaction } from './wal.ts';

/** The columns of an event that a release publishes. */
export type LetterRow = {
  readonly aggregatetype: string;
  readonly aggregateid: string;
  readonly type: string;
  readonly payload: string;
};

export type ParkedKey = {
  readonly topic: string;
  readonly key: string;
  readonly commitLsn: Lsn;
  readonly ordinal: number;
  readonly isPaused: boolean;
  readonly releasedLsn?: Lsn | undefined;
  readonly movedLsn?: Lsn | undefined;
};

export type KeyRelease = {
  readonly topic: string;
  readonly key: string;
  readonly outcome?: string | undefined;
  readonly processedLsn?: Lsn | undefined;
};

export type DeadLetter = {
  readonly id: string;
  readonly topic: string;
  readonly row: LetterRow;
  readonly releasedLsn?: Lsn | undefined;
  readonly commitLsn: Lsn;
  readonly ordinal: number;
  status: string;
  code: string;
  isReread: boolean;
};

export type Slot = {
  readonly name: string;
  confirmedLsn: Lsn;
  /** As of the last checkpoint: the position after a crash. */
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

/** The transaction of one connection. */
export class Transaction {
  readonly undo: (() => void)[] = [];
  readonly atCommit: (() => void)[] = [];
}

export class Database {
  readonly server = new Server('Postgres');
  readonly locks = new Locks();
  readonly wal: WalTransaction[] = [];
  readonly deadLetters = new Map<string, DeadLetter>();
  /** By position. */
  readonly parkedKeys = new Map<string, ParkedKey>();
  /** By number. */
  readonly keyReleases = new Map<number, KeyRelease>();
  /** Number of the last request when the topic was resumed. */
  readonly resumedAfter = new Map<string, number>();
  /** Called when there is more WAL; walsenders wait for it. */
  readonly onWal = new Set<() => void>();
  systemIdentifier = '7300000000000000001';
  timeline = 1;
  progress: ProgressRow | undefined;
  /** What is committed of `progress` and `beat`, for those who read without a lock. */
  readonly shown: { progress: ProgressRow | undefined; beat: number } = { progress: undefined, beat: 0 };
  /** What people have told the relay. */
  control: Control = noControl;
  slot: Slot | undefined;
  beat = 0;
  readonly #options: DatabaseOptions;
  #insertLsn: Lsn;
  #xid = 700;
  #pid = 1_000;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    // Shortly before LSNs get another digit, in decimal or in hexadecimal: code that compares them as text then fails.
    this.#insertLsn = options.random.pick([99_990_000n, 0xffff_f000n, 0xffff_ffff_f000n, 9_999_990_000n]);
  }

  get walLsn(): Lsn {
    return this.#insertLsn;
  }

  commit(
    events: readonly OutboxEvent[],
    beat?: WalTransaction['beat'],
    releases?: WalTransaction['releases'],
  ): WalTransaction {
    const { random, nowMs } = this.#options;
    // Rows are in the WAL before the commit record, sometimes even before the commit of another transaction.
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
      ...(releases === undefined ? {} : { releases }),
    };
    this.wal.push(transaction);
    this.#options.onCommitted?.(transaction);
    for (const tell of this.onWal) tell();
    return transaction;
  }

  /** A person says something. */
  tell(change: { readonly pauses?: readonly Pause[]; readonly eventsPerSecond?: number | null }): void {
    const { pauses = this.control.pauses, eventsPerSecond = this.control.limits.eventsPerSecond } = change;
    this.control = {
      ...this.control,
      revision: this.control.revision + 1,
      pauses,
      limits: { ...this.control.limits, eventsPerSecond },
    };
  }

  nextPid(): number {
    this.#pid += 1;
    return this.#pid;
  }

  /** WAL that is not about the outbox. */
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

  /** Commits survive. The slot returns to its position at the last checkpoint. */
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

  /** Writes or removes an entry, in a transaction. */
  put<Key, Value>(map: Map<Key, Value>, key: Key, value: Value | undefined, { undo }: Transaction): void {
    const before = map.get(key);
    const set = (to: Value | undefined) => (to === undefined ? map.delete(key) : map.set(key, to));
    set(value);
    undo.push(() => set(before));
  }

  key(lsn: string, ordinal: number): string {
    return `${lsn}.${ordinal}`;
  }

  describeSlot(): string {
    return this.slot === undefined ? 'no slot' : `slot at ${formatLsn(this.slot.confirmedLsn)}`;
  }
}
