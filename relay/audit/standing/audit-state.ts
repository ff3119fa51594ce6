/** What the audit remembers from one window to the next, and its form in `outbox.audit`. Pure. */
import { deflateSync, inflateSync } from 'node:zlib';
import { formatLsn, type Lsn, parseLsn } from '../../model/position.ts';
import { CountedXids } from './counted-xids.ts';
import type { OpenRecord } from './matching.ts';

export type AuditState = {
  /** Number of the last window. */
  readonly window: number;
  /** As Postgres prints it. */
  readonly snapshot: string;
  readonly lsn: Lsn;
  readonly atMs: number;
  /** Rows whose transactions this has are verified. */
  readonly counted: CountedXids;
  /** What was committed below was never to be verified; 0 where the audit began with the first row. */
  readonly beginsLsn: Lsn;
  /** The first transaction that had not begun when the audit did; 0 where it began with the first row, or is not known. */
  readonly beginsXid: bigint;
  /** By `topic/partition`: the next offset to read. */
  readonly offsets: ReadonlyMap<string, bigint>;
  /** By `topic/partition`: the highest position so far. */
  readonly floors: ReadonlyMap<string, string>;
  /** Records whose row no window has shown so far. */
  readonly open: readonly OpenRecord[];
  /** By window of an open record: a snapshot that was taken after the last record was read. */
  readonly after: ReadonlyMap<number, string>;
  /** Positions of dead letters that account for no row so far. */
  readonly unclaimed: ReadonlySet<string>;
  /** Positions of released dead letters whose record was read. */
  readonly released: ReadonlySet<string>;
};

const version = 1;

export function serializeState({ counted, ...state }: AuditState): Buffer {
  const plain = {
    version,
    ...state,
    lsn: formatLsn(state.lsn),
    beginsLsn: formatLsn(state.beginsLsn),
    beginsXid: String(state.beginsXid),
    base: String(counted.base),
    bits: Buffer.from(counted.bits).toString('base64'),
    offsets: [...state.offsets].map(([place, offset]) => [place, String(offset)]),
    floors: [...state.floors],
    open: state.open.map(({ next: _, ...record }) => ({ ...record, offset: String(record.offset) })),
    after: [...state.after],
    unclaimed: [...state.unclaimed],
    released: [...state.released],
  };
  return deflateSync(JSON.stringify(plain));
}

/** undefined if another release wrote it: the audit then starts again. */
export function parseState(bytes: Buffer): AuditState | undefined {
  const plain = JSON.parse(inflateSync(bytes).toString());
  if (plain.version !== version) return undefined;
  const { base, bits, version: _, ...state } = plain;
  return {
    ...state,
    lsn: parseLsn(state.lsn),
    beginsLsn: parseLsn(state.beginsLsn),
    // The release before did not keep it.
    beginsXid: BigInt(state.beginsXid ?? 0),
    counted: new CountedXids(BigInt(base), new Uint8Array(Buffer.from(bits, 'base64'))),
    offsets: new Map(state.offsets.map(([place, offset]: [string, string]) => [place, BigInt(offset)])),
    floors: new Map(state.floors),
    open: state.open.map((record: { offset: string }) => ({ ...record, offset: BigInt(record.offset) })),
    after: new Map(state.after),
    unclaimed: new Set(state.unclaimed),
    released: new Set(state.released),
  };
}
