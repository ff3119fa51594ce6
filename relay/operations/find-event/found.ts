/** What people learn of an event: where it is, and its story. Data only. */
import type { RelayError } from '../../errors.ts';
import type { Letter, LetterAction } from '../dead-letters/letter.ts';

/** What to look for. Times narrow it: of rows when they were written, of records when they were committed. */
export type Wanted = {
  readonly by:
    | { readonly kind: 'id'; readonly id: string }
    /** As in the `position` header. */
    | { readonly kind: 'position'; readonly position: string }
    | { readonly kind: 'key'; readonly key: string }
    | { readonly kind: 'type'; readonly type: string };
  readonly since: Date | null;
  readonly until: Date | null;
};

/** A part of the answer that could not be read. */
export type Missing = { readonly code: string; readonly message: string; readonly hint: string };

export const missingOf = ({ code, message, hint }: RelayError): Missing => ({ code, message, hint });

/** A row of the outbox table, without payload and headers. */
export type FoundRow = {
  readonly id: string;
  readonly aggregatetype: string | null;
  readonly key: string | null;
  readonly type: string | null;
  /** ISO 8601; null where the table has no such column. */
  readonly createdAt: string | null;
  /** The table, or its partition. */
  readonly table: string;
  /** Number of its Postgres transaction, as the row keeps it: 32 bits. */
  readonly xid: string;
  /** Only where `track_commit_timestamp` is on, and for recent transactions. */
  readonly committedAt: string | null;
  /** Of its payload as text; null for a tombstone. */
  readonly payloadBytes: number | null;
  /** Where the settings of this process route it; null where they allow no topic. */
  readonly topic: string | null;
  /**
   * By the snapshots that the relay took. `covered`: the progress lies beyond it. `before`: committed before the slot was
   * first made. `later`: not covered when the last snapshot was taken, which may be some seconds ago. null: no snapshot says.
   */
  readonly progress: 'covered' | 'before' | 'later' | null;
  /** From where on its record is looked for, ms since 1970; null where nothing says. */
  readonly fromMs: number | null;
};

export type FoundLetter = Letter & {
  readonly actions: readonly LetterAction[];
  /** The first dead letter of its parked key, behind which it waits; null for others. */
  readonly behind: {
    readonly position: string;
    /** Whether the key waits only because its topic is paused. */
    readonly isPaused: boolean;
    readonly parkedAt: string;
  } | null;
};

/** A committed record. */
export type FoundRecord = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly id: string;
  /** null for one that a replay wrote. */
  readonly position: string | null;
  readonly type: string | null;
  readonly key: string | null;
  /** When its Postgres transaction was committed; ISO 8601. */
  readonly committedAt: string;
  readonly valueBytes: number | null;
  readonly schema: {
    readonly id: number;
    /** Subjects and versions that have this schema; null where the registry could not be asked. */
    readonly versions: readonly { readonly subject: string; readonly version: number }[] | null;
  } | null;
  /** The replay that wrote it; null for the stream. */
  readonly replayId: string | null;
};

/** What was read of a partition. What lies outside was not looked at. */
export type Looked = {
  readonly topic: string;
  readonly partition: number;
  /** Offsets, the second exclusive. */
  readonly from: string;
  readonly to: string;
  readonly records: number;
  /** The first that Kafka still has: what was before is removed. */
  readonly begin: string;
  /** After the last committed record, and after everything: between them lies an open Kafka transaction. */
  readonly stableEnd: string;
  readonly end: string;
  readonly stoppedBy: 'end' | 'found' | 'limit';
};

export type EventState =
  | 'published'
  | 'dead-letter'
  | 'parked'
  | 'discarded'
  | 'in-open-transaction'
  | 'waiting'
  | 'before-slot'
  | 'not-found-in-kafka'
  | 'unclear';

export type StoryEntry = {
  /** ISO 8601; null where the time is not known. */
  readonly at: string | null;
  readonly what:
    | 'written'
    | 'committed'
    | 'refused'
    | 'parked'
    | 'fix'
    | 'resubmit'
    | 'discard'
    | 'released'
    | 'published'
    | 'replayed'
    | 'audited';
  readonly text: string;
};

/** An event: all that has its id. A resubmitted one has two rows. */
export type FoundEvent = {
  readonly id: string | null;
  readonly state: EventState;
  /** The state, and why, in a sentence. */
  readonly text: string;
  readonly advice: string | null;
  readonly rows: readonly FoundRow[];
  readonly letters: readonly FoundLetter[];
  readonly records: readonly FoundRecord[];
  /** Oldest first. */
  readonly story: readonly StoryEntry[];
};

export type Found = {
  /** ISO 8601, by the clock of the database where it could be read. */
  readonly at: string;
  readonly events: readonly FoundEvent[];
  /** Further ones match: narrow the time. */
  readonly hasMore: boolean;
  /** What nothing was found for, in sentences: what was read, and what was not. Never that it does not exist. */
  readonly notes: readonly string[];
  readonly looked: readonly Looked[];
  /** What could not be read; null where it was. */
  readonly missing: {
    readonly rows: Missing | null;
    readonly letters: Missing | null;
    readonly status: Missing | null;
    readonly records: Missing | null;
    readonly schemas: Missing | null;
  };
  /** What the relay does now, in a sentence; null where it could not be read. */
  readonly relay: string | null;
};

export type FindStep = {
  readonly stage: 'rows' | 'letters' | 'records';
  readonly topic?: string;
  readonly partition?: number;
  readonly records?: number;
  readonly recordsMax?: number;
};
