/**
 * Owns one pass over the outbox table that removes what is published: what is looked at first, what is dropped or deleted,
 * and at what pace. The duty and `outbox-relay cleanup` both run it. What proves that a row may go is in the database
 * (migrations/0020_cleanup.sql, 0022_audit_beginning.sql); this asks for nothing that could not go, so that locks are taken for good reason only.
 */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { durationMs } from '../config/duration.ts';
import { pause } from '../connect/backoff.ts';
import {
  type Dropped,
  deleteRows,
  dropPartition,
  type Judged,
  judge,
  type Pages,
  type Piece,
  type Rules,
  readPieces,
  readSlotHolds,
} from '../ledger/cleanup.ts';
import type { KeepReason } from '../model/keep-reasons.ts';
import { archivePartition, removeArchive } from './archive.ts';
import { isBrief, reasonForAll, reasonForOutcome, reasonForPiece, reasonForRows } from './judge-piece.ts';

export type PieceReport = {
  /** `schema.table` */
  readonly name: string;
  /** Counted where the rows were looked at, else as Postgres estimates them. */
  readonly rows: number;
  readonly isEstimate: boolean;
  readonly bytes: number;
  /** It has no page: no row was ever written to it, as to a partition that was made ahead. */
  readonly isUnused: boolean;
  /** `removable`: would go, but for `--dry-run`. `kept`: some rows stay, for `reason`. */
  readonly outcome: 'removed' | 'removable' | 'kept';
  /** Rows that went, or would go. */
  readonly removedRows: number;
  readonly reason: KeepReason | null;
  /** The slot that holds it back, where it is one. */
  readonly slot: string | null;
  /** How many of its rows stay for which reason, where they were looked at. */
  readonly held: Readonly<
    Partial<Record<'young' | 'uncovered' | 'unproven' | 'unverified' | 'leftOut' | 'waiting', number>>
  >;
};

export type CleanupReport = {
  readonly isDryRun: boolean;
  /** The signal came before everything was looked at. */
  readonly isInterrupted: boolean;
  readonly pieces: readonly PieceReport[];
  readonly removedRows: number;
  readonly removedPartitions: number;
  readonly removedBytes: number;
};

export type CleanupStep = { readonly name: string; readonly done: number; readonly blocks: number };

export type Removing = {
  readonly config: Config;
  readonly pool: pg.Pool;
  /** The heartbeat that the progress in Kafka covers; undefined where nobody has read it. */
  readonly beat: number | undefined;
  readonly isDryRun: boolean;
  /** Whether reading goes in small steps with rests between. */
  readonly isGentle: boolean;
  readonly signal: AbortSignal;
  readonly onStep?: (step: CleanupStep) => void;
};

/** When it dropped a partition last, by `performance.now()`. */
type Pass = Removing & { droppedMs: number };

/** Pages judged at once, where nobody has asked for gentleness: 8 MB take some 50 ms from memory. No lock is held. */
const judgedPages = 1_024;

/**
 * A gentle step takes some 3 ms, whatever the disk: on a machine whose CPUs are all in use an INSERT waits for one step at
 * most. Rests make up four fifths, so that a pass takes a fifth of one CPU: a million rows in some 20 s.
 */
const gentleStepMs = 3;
const gentleRest = 4;
const gentlePages = { least: 8, first: 32, most: 1_024 } as const;

/** Pages and rows of one DELETE, so that it takes some 50 ms. */
const deletedPages = 128;
const deletedRowsMax = 1_000;

/** Pages of a partition that are read for the archive in one transaction. */
const archivedPages = 1_024;

/** How often a drop is tried that finds the table in use, and the pause between, in which writers go on as always. */
const dropAttempts = 3;
const dropPauseMs = 2_000;

/**
 * From one drop to the next, where a writer comes first and where somebody waits for the end. A drop holds up writers for some
 * ms: by its lock, by the plans that every connection makes again, by the files that go. That should meet fewer than one
 * INSERT in a hundred.
 */
const betweenDropsMs = { gentle: 5_000, brisk: 1_000 } as const;

/** @throws RelayError POSTGRES_*; what was removed before stays removed */
export async function removePublished(removing: Removing): Promise<CleanupReport> {
  const { config, pool, isDryRun, signal } = removing;
  const rules = rulesOf(config);
  const pieces = await readPieces(pool, config);
  const reports: PieceReport[] = [];
  const pass: Pass = { ...removing, droppedMs: Number.NEGATIVE_INFINITY };
  for (const piece of pieces) {
    if (signal.aborted) break;
    const report = rules === undefined ? kept(piece, 'off') : await removePiece(pass, piece, rules);
    if (report === undefined) break;
    reports.push(report);
  }
  const gone = isDryRun ? [] : reports;
  const dropped = gone.filter(({ outcome, name }) => outcome === 'removed' && wayOf(pieces, name) === 'drop');
  return {
    isDryRun,
    isInterrupted: signal.aborted,
    pieces: reports,
    removedRows: gone.reduce((sum, { removedRows }) => sum + removedRows, 0),
    removedPartitions: dropped.length,
    removedBytes: dropped.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

const wayOf = (pieces: readonly Piece[], name: string) => pieces.find((piece) => piece.name === name)?.way;

/** undefined where the settings ask for no cleanup. */
export function rulesOf({ cleanup }: Pick<Config, 'cleanup'>): Rules | undefined {
  if (cleanup.retention === undefined) return undefined;
  return {
    retentionMs: durationMs(cleanup.retention)!,
    keepsUnproven: cleanup.unproven === 'keep',
    requiresVerified: cleanup.requireVerified,
  };
}

function kept(piece: Piece, reason: KeepReason, rest: Partial<PieceReport> = {}): PieceReport {
  const { name, bytes, estimatedRows: rows, blocks } = piece;
  const nothing = { isEstimate: true, removedRows: 0, slot: null, held: {} };
  return { name, bytes, rows, isUnused: blocks === 0, ...nothing, outcome: 'kept', reason, ...rest };
}

/** @returns undefined if the signal came first */
async function removePiece(removing: Pass, piece: Piece, rules: Rules): Promise<PieceReport | undefined> {
  const { config, pool, beat, isDryRun } = removing;
  const holds = await readSlotHolds(pool);
  const forAll = reasonForAll(holds, { slot: config.slot.name, beat });
  if (forAll !== undefined) return kept(piece, forAll.reason, { slot: forAll.slot ?? null });
  const forPiece = reasonForPiece(piece, {
    nowMs: Date.now(),
    retentionMs: rules.retentionMs,
    hasTime: config.outbox.columns.createdAt !== '',
    archives: config.cleanup.archive !== undefined,
  });
  if (forPiece !== undefined) return kept(piece, forPiece);
  // A slot that holds rows back is the first of the list.
  const slowest = holds[0]!.slot;
  return piece.way === 'drop' || isDryRun
    ? await removeWhole(removing, piece, rules, slowest)
    : await removeSome(removing, piece, rules, slowest);
}

/** Looks at every row without a lock. Only if all may go, the partition is dropped, which looks again under one. */
async function removeWhole(
  removing: Pass,
  piece: Piece,
  rules: Rules,
  slowest: string,
): Promise<PieceReport | undefined> {
  const { isDryRun, signal } = removing;
  const judged = await judgeAll(removing, piece, rules);
  if (judged === 'other-owner') return kept(piece, judged);
  if (judged === undefined) return undefined;
  const reason = reasonForRows(judged);
  const facts = factsOf(piece, judged, slowest, reason);
  if (reason !== undefined) {
    // Of a table that is not dropped, the others go.
    return piece.way === 'drop' ? facts : { ...facts, removedRows: judged.removable };
  }
  if (isDryRun) {
    const isEmpty = piece.way === 'delete' && judged.allRows === 0;
    return { ...facts, outcome: isEmpty ? 'kept' : 'removable', removedRows: judged.removable };
  }
  const gapMs = removing.isGentle ? betweenDropsMs.gentle : betweenDropsMs.brisk;
  await pause(Math.max(0, removing.droppedMs + gapMs - performance.now()), signal);
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    const dropped = await dropOne(removing, piece, rules);
    if (dropped === undefined) break;
    removing.droppedMs = performance.now();
    const { outcome, rows, bytes } = dropped;
    const left = reasonForOutcome(outcome);
    if (left === undefined)
      return { ...facts, outcome: 'removed', rows, removedRows: rows, bytes: bytes || piece.bytes };
    if (!isBrief(left) || attempt === dropAttempts)
      return { ...facts, outcome: 'kept', reason: left, slot: left === 'uncovered' ? slowest : null };
    await pause(dropPauseMs, signal);
  }
  return undefined;
}

/** @returns undefined if the signal came first */
async function dropOne(
  { config, pool, signal }: Removing,
  piece: Piece,
  rules: Rules,
): Promise<Dropped | undefined> {
  const { archive } = config.cleanup;
  if (archive === undefined) return dropPartition(pool, piece, rules, undefined, signal);
  const archived = await archivePartition(pool, piece, archive, pagesOf(piece, archivedPages), signal);
  if (archived === undefined) return undefined;
  // If the answer is lost, nobody knows whether the partition is gone: the file stays. outbox.removal names those that count.
  const dropped = await dropPartition(pool, piece, rules, archived, signal);
  if (dropped.outcome !== 'dropped') await removeArchive(archive, archived);
  return dropped;
}

function factsOf(piece: Piece, judged: Judged, slowest: string, reason: KeepReason | undefined): PieceReport {
  const { young, uncovered, unproven, leftOut, waiting } = judged;
  const unverified = judged.unverified - leftOut;
  const held = Object.fromEntries(
    Object.entries({ young, uncovered, unproven, unverified, leftOut, waiting }).filter(
      ([, rows]) => rows > 0,
    ),
  );
  const slot = reason === 'uncovered' ? slowest : null;
  return kept(piece, reason ?? 'retention', {
    rows: judged.allRows,
    isEstimate: false,
    reason: reason ?? null,
    slot,
    held,
  });
}

/** The whole piece; but for `--dry-run` only until something stays. @returns undefined if the signal came first */
async function judgeAll(
  removing: Removing,
  piece: Piece,
  rules: Rules,
): Promise<Judged | 'other-owner' | undefined> {
  const { isGentle, isDryRun, signal } = removing;
  let sum = nothing;
  let step: number = isGentle ? gentlePages.first : judgedPages;
  for (let from = 0; from < piece.blocks; ) {
    if (signal.aborted) return undefined;
    const pages = { from, to: Math.min(piece.blocks, from + step) };
    const looked = await judgePages(removing, piece, pages, rules);
    if (looked === undefined) return 'other-owner';
    sum = add(sum, looked.judged);
    if (!isDryRun && sum.removable < sum.allRows) return sum;
    from = pages.to;
    if (isGentle) step = gentleStep(step, looked.tookMs);
  }
  return sum;
}

async function judgePages(
  { config, pool, isGentle, signal, onStep }: Removing,
  piece: Piece,
  pages: Pages,
  rules: Rules,
): Promise<{ readonly judged: Judged; readonly tookMs: number } | undefined> {
  onStep?.({ name: piece.name, done: pages.from, blocks: piece.blocks });
  const begunMs = performance.now();
  const judged = await judge(pool, config, piece, pages, rules);
  const tookMs = performance.now() - begunMs;
  if (isGentle) await pause(tookMs * gentleRest, signal);
  return judged && { judged, tookMs };
}

/** Pages of the next step, after one of `pages` took so long. */
export function gentleStep(pages: number, tookMs: number): number {
  if (tookMs > gentleStepMs) return Math.max(gentlePages.least, Math.floor(pages / 2));
  return tookMs < gentleStepMs / 2 ? Math.min(gentlePages.most, pages * 2) : pages;
}

/** Deletes rows page by page, at `cleanup.rowsPerSecond` at most. */
async function removeSome(
  removing: Removing,
  piece: Piece,
  rules: Rules,
  slowest: string,
): Promise<PieceReport> {
  const { config, pool, signal } = removing;
  const { rowsPerSecond } = config.cleanup;
  const rowsMax = Math.min(rowsPerSecond, deletedRowsMax);
  let sum = nothing;
  let removed = 0;
  for (const pages of pagesOf(piece, deletedPages)) {
    if (signal.aborted) break;
    const looked = await judgePages(removing, piece, pages, rules);
    if (looked === undefined) return kept(piece, 'other-owner');
    const { judged } = looked;
    sum = add(sum, judged);
    for (let left = judged.removable; left > 0 && !signal.aborted; ) {
      const begunMs = performance.now();
      const gone = await deleteRows(pool, config, piece, pages, rules, rowsMax);
      removed += gone;
      left = gone < rowsMax ? 0 : left - gone;
      await pause(Math.max(0, (gone / rowsPerSecond) * 1_000 - (performance.now() - begunMs)), signal);
    }
  }
  const facts = factsOf(piece, sum, slowest, reasonForRows(sum));
  const isAllGone = facts.reason === null && removed > 0 && !signal.aborted;
  return { ...facts, removedRows: removed, outcome: isAllGone ? 'removed' : 'kept' };
}

const nothing: Judged = {
  allRows: 0,
  young: 0,
  uncovered: 0,
  unproven: 0,
  unverified: 0,
  leftOut: 0,
  waiting: 0,
  removable: 0,
  oldestMs: null,
};

function add(a: Judged, b: Judged): Judged {
  return {
    allRows: a.allRows + b.allRows,
    young: a.young + b.young,
    uncovered: a.uncovered + b.uncovered,
    unproven: a.unproven + b.unproven,
    unverified: a.unverified + b.unverified,
    leftOut: a.leftOut + b.leftOut,
    waiting: a.waiting + b.waiting,
    removable: a.removable + b.removable,
    oldestMs:
      a.oldestMs === null || b.oldestMs === null
        ? (a.oldestMs ?? b.oldestMs)
        : Math.min(a.oldestMs, b.oldestMs),
  };
}

/** Rows that are written while they are looked at are none that could go. */
function* pagesOf({ blocks }: Piece, step: number): Generator<Pages> {
  for (let from = 0; from < blocks; from += step) yield { from, to: Math.min(blocks, from + step) };
}
