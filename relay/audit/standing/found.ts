/** What a window found, and what it could not judge: counts of all, and a bounded number of items. */
import type { AuditedRecord } from '../audited.ts';
import { Foreign, type ForeignRecord } from '../foreign.ts';

/** As in `outbox.audit_finding`. */
export const findingKinds = ['missing', 'duplicate', 'leaked', 'out_of_order', 'undecodable'] as const;
export type FindingKind = (typeof findingKinds)[number];

export type Finding = {
  readonly kind: FindingKind;
  readonly id: string | null;
  readonly topic?: string | undefined;
  readonly partition?: number;
  readonly offset?: bigint;
  readonly position?: string | undefined;
  readonly detail?: string | undefined;
};

/**
 * - `unknown`: only in Kafka, and older than what is left of the table
 * - `expired`: only in the table, and older than what is left of the topic
 * - `missingOrRemoved`: only in the table, of a topic that has lost its beginning, which its settings do not explain. It keeps the audit from calling anything proven, and cleanup.requireVerified from removing anything
 * - `compacted`: only in the table, of a compacted topic, which may have removed it
 * - `before`: committed before the relay first started, or before the audit began
 * - `undated`: whether it was committed before the first start is not known
 * - `rewritten`: published in an earlier window, and the row was changed since
 * - `foreign`: of another producer
 * - `publishedSince`: no earlier window could judge its row, and its record came later, as after `recover`
 * - `replayed`: published again on purpose
 * - `released`: a dead letter that was released explains it
 * - `withoutId`: rows that have none
 * - `newer`, `notYetPublished`: of another publisher only: after the snapshot, or not confirmed by it
 * - `leakedOrNotShown`: of another publisher only: a record without a row, while transactions run that may show it. The
 *   standing audit leaves these for its next window
 */
export type UnjudgedKind =
  | 'unknown'
  | 'expired'
  | 'missingOrRemoved'
  | 'compacted'
  | 'before'
  | 'undated'
  | 'rewritten'
  | 'foreign'
  | 'publishedSince'
  | 'replayed'
  | 'released'
  | 'withoutId'
  | 'newer'
  | 'notYetPublished'
  | 'leakedOrNotShown';

/** Kinds of rows that had no record. */
export const unjudgedRows: readonly UnjudgedKind[] = [
  'expired',
  'missingOrRemoved',
  'compacted',
  'before',
  'undated',
];

/** Kept of each kind and window. Missing events are looked up by id when their records come. */
const itemsMax = 1_000;
const missingMax = 100_000;

export class Found {
  readonly counts: Record<FindingKind, number> = {
    missing: 0,
    duplicate: 0,
    leaked: 0,
    out_of_order: 0,
    undecodable: 0,
  };
  readonly items: Finding[] = [];
  /** Ids of missing events whose record came after all. */
  readonly resolved: string[] = [];
  /** The same for missing events that are counted and not listed. */
  resolvedUnlisted = 0;
  readonly unjudged: Partial<Record<UnjudgedKind, number>> = {};
  /** Where records of other producers are. */
  readonly foreign = new Foreign();
  events = 0;
  records = 0;
  /** Events whose record or dead letter was found. */
  matched = 0;

  add(finding: Finding): void {
    this.counts[finding.kind] += 1;
    const most = finding.kind === 'missing' ? missingMax : itemsMax;
    if (this.counts[finding.kind] <= most) this.items.push(finding);
  }

  skip(kind: UnjudgedKind, count = 1): void {
    if (count > 0) this.unjudged[kind] = (this.unjudged[kind] ?? 0) + count;
  }

  /** A record of another producer. */
  skipForeign(record: ForeignRecord): void {
    this.skip('foreign');
    this.foreign.add(record);
  }
}

export function findingOf(
  kind: FindingKind,
  record: Pick<AuditedRecord, 'topic' | 'partition' | 'offset' | 'position'> & {
    id: string | null | undefined;
  },
  detail?: string,
): Finding {
  const { id, topic, partition, offset, position } = record;
  return { kind, id: id ?? null, topic, partition, offset, position, detail };
}
