/** What people learn of an event: where it is, and its story. Data only. */
import type { ValueFormatName } from '../../config/value-format.ts';
import type { ErrorCode, RelayError } from '../../errors.ts';
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
  /** Where nothing says in which topic an event is: only these. null: the first ones of those that are allowed. */
  readonly topics?: readonly string[] | null;
};

/** The next page of what has a key or a type: after that row, or after that dead letter, once all rows are passed. */
export type Cursor =
  | { readonly part: 'rows'; readonly createdAt: string | null; readonly id: string }
  | { readonly part: 'letters'; readonly position: string | null };

/** A part of the answer that could not be read. */
export type Missing = { readonly code: ErrorCode; readonly message: string; readonly hint: string };

export const missingOf = ({ code, message, hint }: RelayError): Missing => ({ code, message, hint });

/** As Postgres prints them. */
export type RowContents = {
  readonly payload: string | null;
  readonly headers: string | null;
  /** They are larger than what is shown. */
  readonly isLeftOut: boolean;
};

/** A row of the outbox table. */
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
  /** null where they were not asked for. */
  readonly contents: RowContents | null;
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
    /** Whether the key waits for its topic to be resumed. */
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
  /** By the first byte of the value; null for a tombstone. */
  readonly format: ValueFormatName | null;
  readonly schema: {
    readonly id: number;
    /** Subjects and versions that have this schema; null where the registry could not be asked. */
    readonly versions: readonly { readonly subject: string; readonly version: number }[] | null;
  } | null;
  /** The replay that wrote it; null for the stream. */
  readonly replayId: string | null;
  /**
   * Whether it has the headers of a relay, and not that of another database or outbox. If not, it is another producer's, and
   * says nothing about the event.
   */
  readonly isOfRelay: boolean;
  /** Whether the relay of this slot wrote it, or of another one; null where the progress does not tell. */
  readonly isOfThisSlot: boolean | null;
};

/** What the standing audit found about an event. */
export type FoundFinding = {
  readonly id: string;
  readonly kind: 'missing' | 'duplicate' | 'leaked' | 'out_of_order' | 'undecodable';
  readonly foundAt: string;
  /** When a missing event counted as missing no more; null while it does. */
  readonly resolvedAt: string | null;
  /** Its record came; or the audit started again, which says nothing about the event. */
  readonly resolvedBy: 'record' | 'start' | null;
  readonly topic: string | null;
  readonly partition: number | null;
  readonly offset: string | null;
  readonly position: string | null;
  readonly detail: string | null;
};

/** A replay that published an event again, could not, or may have. */
export type FoundReplay = {
  readonly id: string;
  readonly state: 'running' | 'stopped' | 'done';
  /** Where all of its events went; null: each to its own topic. */
  readonly topic: string | null;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly person: string | null;
  readonly reason: string | null;
  /** `may-cover`: by its range. Its records were not looked for. */
  readonly how: 'published' | 'refused' | 'may-cover';
  /** Why it could not. */
  readonly why: string | null;
};

/** What cleanup did with the day of an event whose row is gone. */
export type FoundRemoval = {
  /** The partition of the day of its commit; null: cleanup may have removed it with others. */
  readonly relation: string | null;
  readonly removedAt: string;
  /** Name of the file that has the rows. */
  readonly archive: string | null;
  /** Rows written earlier were removed. */
  readonly rowsBefore: string;
};

/** Where nothing was read, though an event may be there. */
export type Unread = {
  readonly topic: string;
  /** null: none of them. */
  readonly partition: number | null;
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
  | 'row-removed'
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
    | 'foreign'
    | 'row-removed'
    | 'finding'
    | 'resolved'
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
  /** What holds it up, each in a sentence, the most important first; none where nothing does. */
  readonly reasons: readonly string[];
  readonly rows: readonly FoundRow[];
  readonly letters: readonly FoundLetter[];
  readonly records: readonly FoundRecord[];
  readonly findings: readonly FoundFinding[];
  readonly replays: readonly FoundReplay[];
  /** Oldest first. */
  readonly story: readonly StoryEntry[];
};

export type Found = {
  /** ISO 8601, by the clock of the database where it could be read. */
  readonly at: string;
  readonly events: readonly FoundEvent[];
  /** Further ones match. */
  readonly hasMore: boolean;
  /** Where the next page begins; null where there is none, or where what was asked for has no pages. */
  readonly next: Cursor | null;
  /** What nothing was found for, in sentences: what was read, and what was not. Never that it does not exist. */
  readonly notes: readonly string[];
  readonly looked: readonly Looked[];
  /** Topics that may have it and were not read. */
  readonly unread: readonly Unread[];
  /** Topics that Kafka does not have, or does not show to this process. */
  readonly absent: readonly string[];
  /** What could not be read; null where it was. */
  readonly missing: {
    readonly rows: Missing | null;
    readonly letters: Missing | null;
    readonly status: Missing | null;
    readonly findings: Missing | null;
    readonly replays: Missing | null;
    readonly removals: Missing | null;
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

/** The relay should have published it, and no record of a relay was found. */
export const isNowhere = ({ state, records }: FoundEvent): boolean =>
  state === 'not-found-in-kafka' && !records.some(({ isOfRelay }) => isOfRelay);

/** Whether all places were read in which an event may be. */
export const areAllRead = ({ rows, letters, records }: Found['missing']): boolean =>
  rows === null && letters === null && records === null;
