/** A dead letter as people see it, and how it is named: by its position, or by the id of its event. */
import type { LeftOut } from '../../capture/transaction.ts';
import { formatPosition, type Position, parseLsn, parsePosition } from '../../model/position.ts';

export const letterStatuses = ['open', 'parked', 'resubmitted', 'discarded', 'released'] as const;
export type LetterStatus = (typeof letterStatuses)[number];

/** A row of `outbox.dead_letter` without what may be confidential. */
export type Letter = {
  /** As in the `position` header: commit LSN and ordinal in hexadecimal. */
  readonly position: string;
  readonly eventId: string | null;
  readonly aggregatetype: string | null;
  readonly aggregateid: string | null;
  readonly type: string | null;
  readonly topic: string | null;
  readonly subject: string | null;
  readonly schemaId: number | null;
  readonly code: string;
  readonly message: string;
  /** Where in the payload the fault is, as `$.lines[3].price`. */
  readonly path: string | null;
  readonly status: LetterStatus;
  /** Bytes of the columns that it does not hold whole, because the row is too large; null where it is complete. */
  readonly leftOut: LeftOut | null;
  /** Whether its key waits: it is to be released then, not resubmitted. */
  readonly isOfParkedKey: boolean;
  /** ISO 8601, UTC. */
  readonly firstSeen: string;
};

/** What a person did with a dead letter. */
export type LetterAction = {
  readonly action: 'fix' | 'resubmit' | 'discard';
  readonly fromStatus: string;
  readonly toStatus: string;
  /** Role that was logged in to Postgres. */
  readonly sessionRole: string;
  /** Who says to have done it. */
  readonly person: string;
  readonly note: string | null;
  /** ISO 8601, UTC. */
  readonly actedAt: string;
};

/** Text that names dead letters: a position, or else the id of an event, which may have several. */
export type LetterName =
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'event'; readonly eventId: string };

export function parseLetterName(text: string): LetterName {
  const position = parsePosition(text);
  return position === undefined ? { kind: 'event', eventId: text } : { kind: 'position', position };
}

/** @param commitLsn as Postgres prints it; `ordinal` is a bigint there, which the driver gives as text */
export function positionText(commitLsn: string, ordinal: string): string {
  return formatPosition(parseLsn(commitLsn), Number(ordinal));
}
