/** `outbox-relay status`: what the relay of a slot is doing, as Postgres shows it from outside. */
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { Command, InvalidArgumentError } from 'commander';
import { createLogUpdate } from 'log-update';
import type pg from 'pg';
import { readSlot, type SlotState } from '../capture/slot.ts';
import type { Config } from '../config/config.ts';
import { createPool } from '../connect/postgres/pool.ts';
import { query } from '../connect/postgres/statement.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { readMarks } from '../ledger/bookkeeping.ts';
import { readWaiting } from '../ledger/dead-letters.ts';
import { formatLsn, parseLsn } from '../model/position.ts';
import { printableJson, printableText } from '../observe/printable.ts';
import { assertLettersShown } from '../operations/dead-letters/transaction.ts';
import { describeBytes, describeSlotHealth } from '../operations/slot-health.ts';
import type { Load } from './load.ts';
import { formatTable } from './table.ts';

type StatusOptions = { json?: boolean; watch?: number | true };

export type Status = {
  readonly slotName: string;
  /** Where the truth about it is, in Kafka. */
  readonly progressTopic: string;
  readonly slot:
    | { readonly state: 'absent' }
    | { readonly state: 'unusable'; readonly code: string; readonly message: string; readonly hint: string }
    | {
        readonly state: 'active' | 'inactive';
        readonly activePid: number | null;
        readonly confirmedLsn: string;
        /** WAL written since the confirmed LSN; most of it may be of other tables. */
        readonly lagBytes: number;
        readonly retainedBytes: number;
        readonly walStatus: string | null;
        /** WAL that may still be written before the slot is at risk; null where there is no limit. */
        readonly safeWalBytes: number | null;
      };
  /** The copy of the progress in Postgres; null where no relay ever started on this slot. */
  readonly progress: {
    readonly endLsn: string | null;
    readonly isPartial: boolean;
    readonly eventCount: number;
    readonly instance: string | null;
    readonly publishedAt: string | null;
    /** How old the copy is; a quiet relay writes it seldom. */
    readonly ageSeconds: number | null;
  } | null;
  readonly deadLetters: readonly {
    readonly code: string;
    readonly open: number;
    readonly oldestAgeSeconds: number;
  }[];
  /** Keys whose events wait behind a refused one, and how many wait. */
  readonly parked: { readonly keys: number; readonly events: number };
};

const help = `
Changes nothing and asks only Postgres; DATABASE_URL wins over database.url. The truth about what is published is in
Kafka's progress topic: what is shown here is its copy in outbox.progress, which may lag by some seconds.

Exit codes: 0 shown, whatever it shows · 64 configuration · 69 Postgres does not answer · 77 rights

Examples:
  $ outbox-relay status
  $ outbox-relay status --watch
  $ outbox-relay status --json | jq .slot.lagBytes`;

export function statusCommand(load: Load): Command {
  return new Command('status')
    .description('show what the relay is doing: slot, lag, progress, dead letters')
    .option('--json', 'print one JSON object (with --watch, one a line)')
    .option('-w, --watch [seconds]', 'show it again every so often (2 s) until Ctrl-C', seconds)
    .addHelpText('after', help)
    .action(async (options: StatusOptions, command: Command) => {
      const { config } = load(command, ['database']);
      const pool = createPool(config);
      try {
        await show(pool, config, options);
      } finally {
        await pool.end();
      }
    });
}

function seconds(value: string): number {
  const parsed = Number(value);
  if (!(parsed >= 0.1 && parsed <= 3600)) throw new InvalidArgumentError('expected 0.1 to 3600 seconds.');
  return parsed;
}

const watchSeconds = 2;

async function show(pool: pg.Pool, config: Config, { json, watch }: StatusOptions): Promise<void> {
  const isLive = watch !== undefined && !json && process.stdout.isTTY === true;
  const update = isLive ? createLogUpdate(process.stdout) : undefined;
  const print = update ?? ((text: string) => process.stdout.write(`${text}\n`));
  for (;;) {
    const status = await readStatus(pool, config);
    print(json ? printableJson(JSON.stringify(status)) : printableText(describeStatus(status)));
    if (watch === undefined) return;
    await sleep((watch === true ? watchSeconds : watch) * 1000);
  }
}

/** @throws RelayError POSTGRES_UNAVAILABLE, POSTGRES_UNAUTHORIZED, OUTBOX_TABLE_INVALID */
export async function readStatus(pool: pg.Pool, config: Config): Promise<Status> {
  const status: Status = {
    slotName: config.slot,
    progressTopic: config.kafka.progressTopic,
    slot: await readSlotStatus(pool, config.slot),
    progress: await readProgress(pool, config.slot),
    deadLetters: await readDeadLetters(pool, config.slot),
    parked: await readParked(pool, config.slot),
  };
  await assertLettersShown(pool, config);
  return status;
}

async function readSlotStatus(pool: pg.Pool, name: string): Promise<Status['slot']> {
  let slot: SlotState | undefined;
  try {
    slot = await readSlot(pool, name);
  } catch (error) {
    const failure = asRelayError(error);
    if (!isAboutSlot(failure)) throw error;
    return { state: 'unusable', code: failure.code, message: failure.message, hint: failure.hint };
  }
  if (slot === undefined)
    return (await readMarks(pool, name)).initialised ? missing(name) : { state: 'absent' };
  const [wal] = await query<{ lsn: string }>(
    pool,
    'reading the WAL position',
    'select pg_current_wal_lsn() as lsn',
  );
  return {
    state: slot.isActive ? 'active' : 'inactive',
    activePid: slot.activePid,
    confirmedLsn: formatLsn(slot.confirmedLsn),
    lagBytes: Math.max(0, Number(parseLsn(wal?.lsn ?? '0/0') - slot.confirmedLsn)),
    retainedBytes: slot.retainedBytes,
    walStatus: slot.walStatus,
    safeWalBytes: slot.safeWalBytes,
  };
}

function missing(name: string): Status['slot'] {
  const { code, message, hint } = new RelayError('SLOT_MISSING', `slot ${name} was used before and is gone`);
  return { state: 'unusable', code, message, hint };
}

function isAboutSlot({ code }: RelayError): boolean {
  return code === 'SLOT_INVALIDATED' || code === 'SLOT_WRONG_KIND';
}

type ProgressRow = {
  end_lsn: string | null;
  is_partial: boolean;
  event_count: string | null;
  instance: string | null;
  published_at: string | null;
  age: string | null;
};

async function readProgress(pool: pg.Pool, slot: string): Promise<Status['progress']> {
  const [row] = await query<ProgressRow>(
    pool,
    'reading outbox.progress',
    `select end_lsn, partial_commit_lsn is not null as is_partial, event_count, instance,
            to_char(published_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as published_at,
            extract(epoch from clock_timestamp() - published_at) as age
       from outbox.progress where slot = $1`,
    [slot],
  );
  if (row === undefined) return null;
  return {
    endLsn: row.end_lsn,
    isPartial: row.is_partial,
    eventCount: Number(row.event_count ?? 0),
    instance: row.instance,
    publishedAt: row.published_at,
    ageSeconds: row.age === null ? null : Math.max(0, Number(row.age)),
  };
}

async function readParked(pool: pg.Pool, slot: string): Promise<Status['parked']> {
  const { parked, parkedKeys } = await readWaiting(pool, slot);
  return { keys: parkedKeys, events: parked };
}

async function readDeadLetters(pool: pg.Pool, slot: string): Promise<Status['deadLetters']> {
  const rows = await query<{ code: string; open: string; age: string }>(
    pool,
    'reading outbox.dead_letter',
    `select code, count(*) as open, extract(epoch from clock_timestamp() - min(first_seen)) as age
       from outbox.dead_letter where slot = $1 and status = 'open' group by code order by count(*) desc, code`,
    [slot],
  );
  return rows.map(({ code, open, age }) => ({
    code,
    open: Number(open),
    oldestAgeSeconds: Math.max(0, Number(age)),
  }));
}

export function describeStatus({
  slotName,
  progressTopic,
  slot,
  progress,
  deadLetters,
  parked,
}: Status): string {
  const open = deadLetters.reduce((sum, { open }) => sum + open, 0);
  const lines = [
    ['slot', slotName, describeSlot(slot)],
    ...slotDetails(slot),
    ['progress', progress?.endLsn ?? 'none', describeProgress(progress)],
    ['', '', `a copy; the progress itself is in the topic ${progressTopic}`],
    ['dead letters', String(open), open === 0 ? '' : 'open'],
    ...deadLetters.map(({ code, open, oldestAgeSeconds }) => [
      '',
      String(open),
      `${code}, oldest ${describeAge(oldestAgeSeconds)} ago`,
    ]),
    ...(parked.keys === 0
      ? []
      : [['parked keys', String(parked.keys), `${parked.events} events wait behind; release them`]]),
  ];
  return formatTable(lines);
}

function describeSlot(slot: Status['slot']): string {
  switch (slot.state) {
    case 'absent':
      return 'absent: no relay has started on it yet';
    case 'unusable':
      return styleText('red', `${slot.code}: ${slot.message}. ${slot.hint}`);
    case 'active':
      return styleText('green', `active, a relay streams (walsender ${slot.activePid})`);
    case 'inactive':
      return styleText('yellow', 'inactive: no relay streams, and WAL piles up');
  }
}

function slotDetails(slot: Status['slot']): string[][] {
  if (slot.state === 'absent' || slot.state === 'unusable') return [];
  return [
    ['lag', describeBytes(slot.lagBytes), `of WAL after ${slot.confirmedLsn}`],
    ['retained', describeBytes(slot.retainedBytes), slotNote(slot)],
  ];
}

function slotNote(slot: Parameters<typeof describeSlotHealth>[0]): string {
  const health = describeSlotHealth(slot);
  return slot.walStatus === 'unreserved'
    ? styleText('yellow', `${health}: about to be lost at the next checkpoint`)
    : health;
}

function describeProgress(progress: Status['progress']): string {
  if (progress === null || progress.ageSeconds === null) return 'nothing published yet';
  const partial = progress.isPartial ? ', within a large transaction' : '';
  return `${progress.eventCount} events${partial}, by ${progress.instance}, ${describeAge(progress.ageSeconds)} ago`;
}

function describeAge(ageSeconds: number): string {
  if (ageSeconds < 120) return `${Math.round(ageSeconds)} s`;
  if (ageSeconds < 7_200) return `${Math.round(ageSeconds / 60)} min`;
  if (ageSeconds < 172_800) return `${Math.round(ageSeconds / 3_600)} h`;
  return `${Math.round(ageSeconds / 86_400)} d`;
}
