/**
 * Owns the facts that the relay says about itself, each by its name. What to count, log and show is the business of
 * listeners. A new fact is a line here, one call where it happens, and what listeners make of it.
 */
import type { ErrorCode, RelayError } from '../errors.ts';
import type { Control, RateLimits } from '../model/control.ts';
import type { HangingTransaction } from '../model/hanging-transaction.ts';
import type { KeepReason } from '../model/keep-reasons.ts';
import type { Lsn, Position } from '../model/position.ts';
import type { Progress } from '../model/progress.ts';
import type { WalRates } from '../model/wal-rate.ts';
import type { RelayState } from './state.ts';

/**
 * No fact holds a payload, a key, or anything else of a row but its topic and its trace context. `keysSampled` alone has
 * keys.
 */
export type Facts = {
  // The path of an event.

  /** The stream brought a transaction, or a part of one, that is not published yet. */
  readonly captured: TransactionFact & { readonly events: number; readonly bytes: number };
  /** Its events became records, or were refused. */
  readonly encoded: TransactionFact & {
    readonly records: readonly RecordFact[];
    readonly refused: readonly RefusedEvent[];
  };
  /** Some of the records, for the hottest keys. A listener must not let a key out, unless the settings say so. */
  readonly keysSampled: SampledKeys;
  /** A Kafka transaction is committed. */
  readonly committed: CommittedBatch;
  /** Of the same Kafka transaction: events that it covers, stored in `outbox.dead_letter`. */
  readonly deadLettered: { readonly events: readonly RefusedEvent[] };
  /** Of the same Kafka transaction: events whose writer asked for a trace. Said only where there are some. */
  readonly traced: {
    readonly batch: CommittedBatch;
    readonly events: readonly TracedEvent[];
    /** Further ones, which are too many to be noted. */
    readonly omitted: number;
  };
  /** Postgres may discard WAL up to here. */
  readonly acknowledged: { readonly endLsn: Lsn };
  /** A Kafka transaction ends within a Postgres transaction; said before it is committed. */
  readonly split: {
    readonly commitLsn: Lsn;
    /** It would have run into the timeout, or exceeded a limit of the settings, or the stream stands still for a pause. */
    readonly reason: 'time' | 'limit' | 'pause';
    /** In the Kafka transaction. */
    readonly events: number;
  };
  /** Kafka aborted a transaction that took too long. The limits are those of the next ones. */
  readonly expired: {
    readonly events: number;
    readonly bytes: number;
    readonly elapsedMs: number;
    /** Whether Postgres transactions are split that the settings would leave whole. */
    readonly isSplitting: boolean;
    readonly maxTransactionEvents: number;
    readonly maxTransactionBytes: number;
    readonly batchEvents: number;
  };

  // The life of the process.

  /** @see transitions in relay.ts */
  readonly entered: {
    readonly state: RelayState;
    /** undefined at the start. */
    readonly before: RelayState | undefined;
  };
  /** The session begins to stream. */
  readonly sessionBegun: {
    /** Where it begins. */
    readonly progress: Progress;
    /** How the progress compares with the database. */
    readonly lineage: string;
    /** Of Kafka's transaction protocols, the one in use. */
    readonly transactionVersion: 1 | 2;
  };
  /**
   * The session goes on in the other one of Kafka's transaction protocols: the level of `transaction.version` has changed,
   * or the brokers that take part.
   */
  readonly protocolChanged: { readonly transactionVersion: 1 | 2; readonly before: 1 | 2 };
  /** A step takes long and has not failed; said every few seconds. */
  readonly waited: { readonly doing: string; readonly waitedMs: number };
  /** A step that may have waited is over, however it ended. */
  readonly stepEnded: { readonly doing: string };
  /** An attempt failed and is repeated. Of a session: at standby. */
  readonly retried: {
    readonly doing: 'session' | 'encoding' | 'release' | 'dead-letter copy';
    readonly failure: RelayError;
    readonly retryInMs: number;
  };
  /** An attempt that was repeated within the session has succeeded. */
  readonly recovered: { readonly doing: Facts['retried']['doing'] };
  /** The session failed when it was to end anyway. The next start publishes what it did not. */
  readonly drainFailed: { readonly failure: RelayError };
  readonly drained: { readonly progress: Progress };
  /** The relay stops itself. */
  readonly stopped: { readonly failure: RelayError };
  /** Said every second. */
  readonly sampled: {
    readonly state: RelayState;
    /** Received and not in Kafka. */
    readonly inFlightBytes: number;
    readonly inFlightEvents: number;
    readonly inFlightBytesMax: number;
    /** undefined unless this relay streams. */
    readonly stream: StreamSample | undefined;
    readonly caches: readonly CacheUse[];
  };
  /** Said every second while it streams. */
  readonly paced: {
    /** What the stream stands still for because somebody said so. */
    readonly obstacle: 'paused' | 'full' | undefined;
    /** Whether the rate limit holds events up. */
    readonly isLimited: boolean;
  };
  /** The stream obeys a change of what people say: nothing that was decided before is still on its way. */
  readonly controlled: { readonly control: Control; readonly limits: RateLimits };

  /** The configuration was read again. */
  readonly configRead: ConfigRead;

  // Standby, and taking the slot.

  /** Another relay has the slot; said at each look. */
  readonly peerSeen: {
    readonly activePid: number | null;
    /** Whether it has published something since the last look. */
    readonly hasPublished: boolean;
  };
  /** The progress topic cannot be read now. */
  readonly tailFailed: { readonly failure: RelayError };
  readonly tailRecovered: Record<string, never>;
  /** Something about the outbox table that does not keep the relay from streaming. */
  readonly tableDoubted: { readonly message: string; readonly fix: string };
  readonly slotCreating: Record<string, never>;
  /** Creating the slot waits for transactions that began before it. */
  readonly slotWaited: { readonly transactions: readonly unknown[] };
  readonly slotSeen: SlotHealth;
  /** There is no slot, or nobody can tell. */
  readonly slotUnknown: Record<string, never>;
  /** How fast Postgres writes WAL, in bytes per second; said every minute. */
  readonly walMeasured: WalRates & {
    /** Bytes of all files in pg_wal; undefined if the role may not list them. */
    readonly directoryBytes: number | undefined;
    /** The setting slot.walDiskBytes. */
    readonly diskBytes: number | undefined;
  };
  readonly walUnmeasured: { readonly failure: RelayError; readonly retryInMs: number };
  /** @see pg_replication_slots.invalidation_reason */
  readonly slotLost: { readonly reason: string | null };
  /** The slot does not bring what is unpublished, and the relay recovers by itself. */
  readonly recoveryBegun: {
    readonly failure: RelayError;
    /** Of the last hour, this one included. */
    readonly attempt: number;
    /** It waits so long first. */
    readonly pauseMs: number;
  };
  /** It goes on; said often. */
  readonly recovering: RecoveryStage;
  readonly recoveryEnded: {
    readonly outcome: RecoveryOutcome;
    readonly published: number;
    readonly deadLettered: number;
    readonly tookMs: number;
  };
  /** The audit trail does not have it. */
  readonly recoveryUnrecorded: { readonly failure: RelayError };
  /** Dead letters beyond the progress are decided again. */
  readonly deadLettersReread: { readonly deadLetters: number };
  /** The server counts the relay as a synchronous standby. */
  readonly standbyCounted: { readonly synchronousStandbyNames: string; readonly hint: string };

  // Upkeep.

  readonly dutyFailed: {
    readonly duty: string;
    readonly failure: RelayError;
    readonly retryInMs: number;
  };
  readonly dutyDone: { readonly duty: string };
  readonly heartbeatReturned: { readonly beat: number; readonly roundTripMs: number };
  /** Rows of another table that has all columns of the outbox. */
  readonly lookalikesSeen: { readonly table: string; readonly rows: number };
  readonly partitionsMade: { readonly partitions: readonly string[] };
  /** @see migrations/0012_partition_a_day.sql */
  readonly partitionsSkipped: {
    readonly reason: 'rows' | 'large' | 'overlap';
    readonly partitions: readonly string[];
  };
  /** What the outbox table holds. */
  readonly outboxSurveyed: {
    readonly partitions: number;
    /** As Postgres estimates them. */
    readonly rows: number;
    readonly bytes: number;
    /** undefined where it has no row, or no time. */
    readonly oldestRowMs: number | undefined;
    /** When cleanup last removed something; null if never. */
    readonly lastRemovalMs: number | null;
  };
  /** A pass that removes what is published is over. */
  readonly cleanedUp: {
    readonly partitions: number;
    readonly rows: number;
    readonly bytes: number;
    /** Partitions, or tables without any, that stay, by reason. */
    readonly kept: Readonly<Partial<Record<KeepReason, number>>>;
    /** Of those that stay for `retention`, partitions to which no row was written yet. */
    readonly unused: number;
  };
  readonly deadLettersCounted: Waiting;
  readonly deadLettersPurged: { readonly deadLetters: number };

  /** All that is known now: a group that is not here is unknown. */
  readonly consumersSeen: { readonly lags: readonly ConsumerLag[] };
  /**
   * How far consumers under `read_committed` get: all that is known now. Of a topic that is not here nobody knows, and of
   * its transactions neither.
   */
  readonly endsSeen: {
    readonly topics: readonly {
      readonly topic: string;
      /** For how long they have not got past an offset, in the partition where it is longest; 0 where they do. */
      readonly blockedMs: number;
    }[];
    readonly hanging: readonly HangingTransaction[];
  };

  // Registry and Kafka.

  /** The registry changed the id of a schema, or the schema of an id. All schemas are fetched again. */
  readonly schemasDistrusted: { readonly schemaId: number; readonly subject: string };

  /** A request to the registry is over. */
  readonly registryAsked: { readonly tookMs: number; readonly result: 'answered' | 'failed' };

  /**
   * Kafka left out the marker of a transaction in a partition (KAFKA-20734). The relay has it written, as the transaction
   * ended; `noticed`: after more was written there, so the next marker stands for both; `undone`: Kafka aborted what was to
   * finish a committed transaction. The topic is empty if Kafka does not name it any more. `untold`: nobody can
   * tell how the transaction ended.
   */
  readonly markerMissed: {
    readonly topic: string;
    readonly partition: number;
    readonly did: 'commit' | 'abort' | 'noticed' | 'undone' | 'untold';
  };

  /** A quota: Kafka lets this client send nothing for so long. */
  readonly throttled: { readonly throttleMs: number; readonly broker: string; readonly clientId: string };
};

/** Since the start of the process. */
export type CacheUse = {
  readonly cache: 'targets' | 'schemas' | 'topics';
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
};

export type StreamSample = {
  readonly progressLsn: Lsn;
  /** Up to which the server has streamed, by its latest message. */
  readonly serverLsn: Lsn;
  /** Age of the oldest transaction that is received and not in Kafka; 0 where there is none. */
  readonly oldestMs: number;
  /** Whether there is room for more, and what is received is not published already. */
  readonly isReadingOn: boolean;
};

/** Of which Postgres transaction. */
type TransactionFact = {
  readonly commitLsn: Lsn;
  /** ms since 1970, by the clock of the database. */
  readonly committedAtMs: number;
};

export type SampledKeys = {
  readonly records: readonly { readonly topic: string; readonly key: string }[];
  /** How many events each of them stands for. */
  readonly every: number;
};

/** Keys of settings, without their values. */
export type ConfigRead =
  | {
      readonly result: 'applied' | 'unchanged';
      readonly applied: readonly string[];
      /** They differ from what the relay runs with, and change at the next start. */
      readonly needRestart: readonly string[];
    }
  | { readonly result: 'rejected'; readonly failure: RelayError };

export type RecordFact = {
  readonly topic: string;
  readonly partition: number;
  /** As in the header of the record. */
  readonly position: string;
};

export type RefusedEvent = Position & {
  readonly code: ErrorCode;
  /** null where the event names none. */
  readonly topic: string | null;
  /** Of the writer's trace, if there is one. */
  readonly traceId?: string | undefined;
};

/** An event whose trace context may be sampled, and what became of it. */
export type TracedEvent = {
  /** As the row has them: valid or not. */
  readonly traceparent: string;
  readonly tracestate: string | undefined;
  /** As in the header of the record. */
  readonly position: string;
  readonly committedAtMs: number;
  readonly topic: string | null;
  /** null where it became a dead letter. */
  readonly partition: number | null;
  /** Why it became one; null where it is published. */
  readonly code: ErrorCode | null;
  /** null where it was released: its own are long past. */
  readonly waypoints: Waypoints | null;
};

export type PartitionEvents = {
  readonly topic: string;
  readonly partition: number;
  readonly events: number;
};

export type CommittedBatch = {
  readonly progress: Progress;
  /** Events published; 0 for a transaction that holds a progress record only. */
  readonly events: number;
  readonly eventsByTopic: ReadonlyMap<string, number>;
  readonly eventsByPartition: readonly PartitionEvents[];
  /** Bytes of the records. */
  readonly bytes: number;
  /** Bytes of the record batches as they were sent, compressed or not; undefined where the producer does not know. */
  readonly sentBytes: number | undefined;
  readonly deadLetters: number;
  /** Commit times of the Postgres transactions that have events in it, ms since 1970. */
  readonly committedAtMs: readonly number[];
  /** Of the same transactions, in the same order. */
  readonly waypoints: readonly Waypoints[];
  /** Of the Kafka transaction: when it began, when its last record was written, when its commit was confirmed. */
  readonly begunMs: number;
  readonly writtenMs: number;
  readonly confirmedMs: number;
};

/** When a Postgres transaction, or a part of one, passed each place in the relay: ms on the monotonic clock. */
export type Waypoints = {
  /** The last of it arrived on the stream. */
  readonly receivedMs: number;
  /** Its turn came. */
  readonly takenMs: number;
  /** What becomes of each event was decided. */
  readonly encodedMs: number;
  /** How long the last attempt to encode it took. */
  readonly encodingMs: number;
};

/** What waits for a person. */
export type Waiting = {
  readonly open: number;
  /** Of the oldest open one; 0 when there is none. */
  readonly oldestSeconds: number;
  /** Waiting behind a refused event of their key. */
  readonly parked: number;
  readonly parkedKeys: number;
};

/** How far a stage of a recovery is. */
export type RecoveryStage = {
  readonly stage: 'slot' | 'topics' | 'table' | 'sorting' | 'rows' | 'publishing';
  readonly done: number;
  /** Left out if it is not known in advance; of the rows of a table, what Postgres estimates. */
  readonly total?: number;
  /** Until the stage ends, at its pace so far; left out while that is not known. */
  readonly leftMs?: number;
};

/**
 * - `refused`: a person has to decide.
 * - `yielded`: another relay has the slot.
 * - `interrupted`: the relay was asked to end; the next start continues.
 * - `failed`: the failure that follows says why.
 */
export const recoveryOutcomes = ['recovered', 'refused', 'yielded', 'interrupted', 'failed'] as const;
export type RecoveryOutcome = (typeof recoveryOutcomes)[number];

/** How far a consumer group is behind in a topic. */
export type ConsumerLag = {
  readonly group: string;
  readonly topic: string;
  /** Between what it has committed and the end of what it may read, over the partitions in which it has. */
  readonly offsets: number;
  /** Partitions with records in which it has committed nothing. */
  readonly uncommittedPartitions: number;
};

export type SlotHealth = {
  readonly retainedBytes: number;
  readonly walStatus: string | null;
  /** null where there is no limit. */
  readonly safeWalBytes: number | null;
  /** End of the WAL that Postgres had written then. */
  readonly writtenLsn: Lsn;
};
