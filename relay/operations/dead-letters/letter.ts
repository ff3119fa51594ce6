/** A dead letter as people see it, and its names: its position, and the id of its event. */
import type { LeftOut } from '../../capture/transaction.ts';
import { formatPosition, type Position, parseLsn, parsePosition } from '../../model/position.ts';

export const letterStatuses = ['open', 'parked', 'resubmitted', 'discarded', 'released'] as const;
export type LetterStatus = (typeof letterStatuses)[number];

/** A row of `outbox.dead_letter` without the payload and the headers. */
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
  /** Bytes of the columns that it does not hold, because the row is too large; null where it is complete. */
  readonly leftOut: LeftOut | null;
  /** Whether its key is parked: then it is released, not resubmitted. */
  readonly isOfParkedKey: boolean;
  /** Whether that key waits for its topic to be resumed: that releases it. */
  readonly isOfKeySetAside: boolean;
  /**
   * When its payload was changed since it was refused, by the last fix that was not undone; null if it was not. ISO 8601, UTC.
   */
  readonly fixedAt: string | null;
  /** null where it is closed. */
  readonly waitsFor: WaitsFor | null;
  /** ISO 8601, UTC. */
  readonly firstSeen: string;
};

/**
 * What has to happen so that it is published. `repair`: of its payload, or of what the relay refuses it for. `release`: of
 * its key. `release-under-way`: the relay has still to meet the request. `resume`: of its topic, which releases its key.
 */
export const waitKinds = ['repair', 'resubmit', 'release', 'release-under-way', 'resume'] as const;
export type WaitsFor = (typeof waitKinds)[number];

type Waiting = Pick<Letter, 'status' | 'code' | 'isOfParkedKey' | 'isOfKeySetAside'> & {
  readonly isReleaseAsked: boolean;
  readonly isFixed: boolean;
};

/** Pure. */
export function waitsFor(letter: Waiting): WaitsFor | null {
  const { status, code, isOfParkedKey, isOfKeySetAside, isReleaseAsked, isFixed } = letter;
  if (status !== 'open' && status !== 'parked') return null;
  if (isReleaseAsked) return 'release-under-way';
  const release = isOfKeySetAside ? 'resume' : 'release';
  if (status === 'parked') return release;
  // What only waited is whole, also where the waiting has ended without a release, as after `adopt database`.
  const isWhole = isFixed || code === 'KEY_PARKED' || code === 'TOPIC_PAUSED';
  if (!isWhole) return 'repair';
  return isOfParkedKey ? release : 'resubmit';
}

/** What a person did with a dead letter. */
export type LetterAction = {
  readonly action: 'fix' | 'resubmit' | 'discard';
  readonly fromStatus: string;
  readonly toStatus: string;
  /** Role of the Postgres session. */
  readonly sessionRole: string;
  /** Who did it, as that person says. */
  readonly person: string;
  readonly note: string | null;
  /** ISO 8601, UTC. */
  readonly actedAt: string;
};

/** What a text names: a position, or else the id of an event, which may have several dead letters. */
export type LetterName =
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'event'; readonly eventId: string };

export function parseLetterName(text: string): LetterName {
  const position = parsePosition(text);
  return position === undefined ? { kind: 'event', eventId: text } : { kind: 'position', position };
}

/** As it was given. */
export function textOfName(name: LetterName): string {
  return name.kind === 'event'
    ? name.eventId
    : formatPosition(name.position.commitLsn, name.position.ordinal);
}

/** @param commitLsn as Postgres prints it; `ordinal` is a bigint there, which the driver gives as text */
export function positionText(commitLsn: string, ordinal: string): string {
  return formatPosition(parseLsn(commitLsn), Number(ordinal));
}

/** Columns of its event that it does not hold, with their bytes; empty where it is whole. */
export function lackedBy({ leftOut }: Pick<Letter, 'leftOut'>): [column: string, bytes: number][] {
  const { rowBytes: _, ...columns } = leftOut ?? {};
  return Object.entries(columns);
}

/** Why no payload can make it whole; undefined where one can. */
export function unfixableReason(letter: Pick<Letter, 'leftOut'>): string | undefined {
  const [lacked] = lackedBy(letter).filter(([column]) => column !== 'payload');
  return lacked === undefined
    ? undefined
    : `its ${lacked[0]} was left out (${lacked[1]} bytes); discard it, and write the event again without that`;
}
