/** The health of a slot in words and how long it can hold an outage, for `check` and `status`. */
import type pg from 'pg';
import type { SlotState } from '../capture/slot.ts';
import type { Config } from '../config/config.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { asRelayError } from '../errors.ts';
import { readWalDirectory, readWalSamples } from '../ledger/wal-samples.ts';
import {
  freeBytesOf,
  presentRate,
  secondsUntil,
  type WalRates,
  type WalSample,
  walRates,
} from '../model/wal-rate.ts';

export function describeSlotHealth({
  walStatus,
  safeWalBytes,
}: Pick<SlotState, 'walStatus' | 'safeWalBytes'>): string {
  const limit =
    safeWalBytes === null
      ? 'no max_slot_wal_keep_size'
      : `${describeBytes(Math.max(0, safeWalBytes))} left before the slot is at risk`;
  return `wal_status ${walStatus ?? 'unknown'}, ${limit}`;
}

export function describeBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** How long a slot, and the disk, can hold an outage: what is known of it now. Rates are in bytes per second. */
export type WalOutlook = WalRates & {
  /** `max_slot_wal_keep_size`; null if there is no limit. */
  readonly limitBytes: number | null;
  /** `max_wal_size`: what Postgres keeps of WAL in any case, more or less. */
  readonly maxWalBytes: number;
  /** Average since the last checkpoint began; for where no relay has taken samples. */
  readonly sinceCheckpoint: number | undefined;
  /** How long ago that was, in seconds. */
  readonly checkpointAgeSeconds?: number | undefined;
  /** Bytes of all files in pg_wal; undefined if the role may not list them. */
  readonly directoryBytes: number | undefined;
  /** The setting slot.walDiskBytes. */
  readonly diskBytes: number | undefined;
  readonly keepsCommitTimes: boolean;
};

/** Also where no relay runs, or ever did. @throws RelayError POSTGRES_*, OUTBOX_TABLE_INVALID */
export async function readWalOutlook(pool: pg.Pool, config: Config): Promise<WalOutlook> {
  const [settings] = await query(pool, readWalSettings);
  const { limitMib, maxWalMib, sinceCheckpoint, checkpointAgeSeconds, keepsCommitTimes } = settings!;
  return {
    ...walRates(await readSamples(pool)),
    limitBytes: limitMib < 0 ? null : limitMib * MiB,
    maxWalBytes: maxWalMib * MiB,
    sinceCheckpoint: sinceCheckpoint ?? undefined,
    checkpointAgeSeconds: checkpointAgeSeconds ?? undefined,
    directoryBytes: await readWalDirectory(pool),
    diskBytes: config.slot.walDiskBytes,
    keepsCommitTimes,
  };
}

/** Without the tables, which other checks miss, the last checkpoint still tells something. */
async function readSamples(pool: pg.Pool): Promise<WalSample[]> {
  try {
    return await readWalSamples(pool);
  } catch (error) {
    if (asRelayError(error).code !== 'OUTBOX_TABLE_INVALID') throw error;
    return [];
  }
}

const MiB = 1024 * 1024;

const readWalSettings = statement<{
  limitMib: number;
  maxWalMib: number;
  sinceCheckpoint: number | null;
  checkpointAgeSeconds: number | null;
  keepsCommitTimes: boolean;
}>(
  'operations.read_wal_settings',
  'reading the settings of the WAL',
  `select (select setting::float8 from pg_settings where name = 'max_slot_wal_keep_size') as "limitMib",
          (select setting::float8 from pg_settings where name = 'max_wal_size') as "maxWalMib",
          current_setting('track_commit_timestamp')::bool as "keepsCommitTimes",
          -- What a server wrote in its first seconds, as in the migrations, says nothing of an hour.
          case when not pg_is_in_recovery() and clock_timestamp() >= checkpoint_time + interval '1 min' then
            (pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn)
              / nullif(extract(epoch from clock_timestamp() - checkpoint_time), 0))::float8
          end as "sinceCheckpoint",
          extract(epoch from clock_timestamp() - checkpoint_time)::float8 as "checkpointAgeSeconds"
     from pg_control_checkpoint()`,
);

/** How much time is left, in seconds; Infinity for never, undefined for unknown. */
export type TimeLeft = { readonly untilLimit: number | undefined; readonly untilDisk: number | undefined };

/** If nothing is published from now on. @param safeWalBytes of the slot; null if there is no limit */
export function timeLeft(outlook: WalOutlook, safeWalBytes: number | null): TimeLeft {
  const rate = presentRate(outlook) ?? outlook.sinceCheckpoint;
  return {
    untilLimit: secondsUntil(safeWalBytes, rate),
    untilDisk: secondsUntil(freeBytesOf(outlook), rate),
  };
}

/** The rate to plan by: that of the busiest hour, or what else is known. */
export function planningRate(outlook: WalOutlook): number | undefined {
  return outlook.busiestHour ?? presentRate(outlook) ?? outlook.sinceCheckpoint;
}

/** An outage over a weekend night must not cost the slot before somebody can look. */
const hoursWanted = 24;

/** Of the disk, the rest is for the checkpoint that comes before the slot is given up, and for what else lies on it. */
const shareOfDisk = 0.7;

const GiB = 1024 * MiB;

/**
 * A value for `max_slot_wal_keep_size`, in GiB: what a day at the rate of the busiest hour writes, never below what
 * Postgres keeps anyway, and never above a share of the disk. undefined if neither a rate nor the disk is known.
 */
export function proposedLimitGib(outlook: WalOutlook): number | undefined {
  const rate = planningRate(outlook);
  const most =
    outlook.diskBytes === undefined ? Infinity : Math.floor((outlook.diskBytes * shareOfDisk) / GiB);
  const least = Math.ceil((2 * outlook.maxWalBytes) / GiB);
  if (rate === undefined) return Number.isFinite(most) ? Math.max(1, most) : undefined;
  return Math.max(1, Math.min(most, Math.max(least, Math.ceil((rate * hoursWanted * 3_600) / GiB))));
}
