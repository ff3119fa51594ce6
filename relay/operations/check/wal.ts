/** Whether an outage costs the slot or fills the disk, which of the two was chosen, and what a lost slot costs then. */
import {
  describeBytes,
  planningRate,
  proposedLimitGib,
  readWalOutlook,
  type WalOutlook,
} from '../slot-health.ts';
import { ok, type Verdict, warn } from './finding.ts';
import { one, type PostgresCheck } from './postgres-context.ts';

export const walLimit: PostgresCheck = {
  name: 'WAL in an outage',
  async run({ pool, config }) {
    return judgeWal(await readWalOutlook(pool, config), config.slot);
  },
};

export const commitOrder: PostgresCheck = {
  name: 'order of commits',
  async run(context) {
    const { keepsCommitTimes } = await one<{ keepsCommitTimes: boolean }>(
      context,
      'operations.check_commit_order',
      `select current_setting('track_commit_timestamp')::bool as "keepsCommitTimes"`,
    );
    return judgeOrder(keepsCommitTimes, context.config.slot);
  },
};

/** Pure. Before it is needed: Postgres knows no times of what was committed while the setting was off. */
export function judgeOrder(keepsCommitTimes: boolean, { whenLost, recoverByWritingOrder }: Chosen): Verdict {
  if (keepsCommitTimes) return ok('known, also of past commits: track_commit_timestamp is on');
  if (recoverByWritingOrder) return ok('that of writing, since slot.recoverByWritingOrder is set');
  return warn(
    `track_commit_timestamp is off, so nobody knows the order of past commits: ${whenLost === 'recover' ? 'the relay that recovers a lost slot stops' : '`recover` and `replay` ask'} if a key has events of several transactions`,
    "Run ALTER SYSTEM SET track_commit_timestamp = on, then restart Postgres. Or set slot.recoverByWritingOrder if each writer locks its aggregate before it writes the aggregate's events.",
  );
}

type Chosen = { readonly whenLost: 'stop' | 'recover'; readonly recoverByWritingOrder: boolean };

/** An outage that is shorter than this is no reason to change anything. */
const enoughHours = 4;

/** Pure. */
export function judgeWal(outlook: WalOutlook, { whenLost }: Pick<Chosen, 'whenLost'>): Verdict {
  const { limitBytes } = outlook;
  if (limitBytes === null)
    return warn(
      `max_slot_wal_keep_size sets no limit: while nothing is published, WAL grows until the disk of Postgres is full and every write fails${untilDisk(outlook)}; ${describeRate(outlook)}`,
      `Choose what an outage may cost. With a limit, Postgres gives up the slot before the disk is full${proposal(outlook)}. With slot.whenLost: recover the relay then publishes the missing events from the outbox table by itself, and a lost slot costs nothing but time where the order of commits is known.`,
    );
  const hours = hoursOf(limitBytes, outlook);
  const found = `max_slot_wal_keep_size ${describeBytes(limitBytes)}: ${holds(hours)}, then Postgres gives up the slot, and the relay ${whenLost === 'recover' ? 'recovers by itself' : 'stops until somebody runs `outbox-relay recover`'}; ${describeRate(outlook)}`;
  if (whenLost === 'recover' || hours === undefined || hours >= enoughHours) return ok(found);
  return warn(found, `Set slot.whenLost: recover, or raise the limit${proposal(outlook)}.`);
}

const holds = (hours: number | undefined): string =>
  hours === undefined
    ? 'the outage it can absorb is not known yet'
    : `it holds an outage of ${describeHours(hours)}`;

function hoursOf(bytes: number, outlook: WalOutlook): number | undefined {
  const rate = planningRate(outlook);
  return rate === undefined || rate === 0 ? undefined : bytes / rate / 3_600;
}

function describeHours(hours: number): string {
  if (hours < 2) return `${Math.floor(hours * 60)} min`;
  return hours < 72 ? `${Math.floor(hours)} h` : `${Math.floor(hours / 24)} d`;
}

function describeAge(seconds: number): string {
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

function untilDisk(outlook: WalOutlook): string {
  const { diskBytes, directoryBytes } = outlook;
  if (diskBytes === undefined) return ' (when, Postgres cannot tell: set slot.walDiskBytes)';
  if (directoryBytes === undefined)
    return ' (when is not known: the role may not list pg_wal, grant it pg_monitor)';
  const hours = hoursOf(Math.max(0, diskBytes - directoryBytes), outlook);
  return hours === undefined ? '' : ` in ${describeHours(hours)}`;
}

function proposal(outlook: WalOutlook): string {
  const gib = proposedLimitGib(outlook);
  if (gib === undefined) return '; run a relay for some minutes, and check again for a value';
  const hours = hoursOf(gib * 1024 ** 3, outlook);
  const lasts = hours === undefined ? '' : `, ${describeHours(hours)} at that rate`;
  return `: ALTER SYSTEM SET max_slot_wal_keep_size = '${gib}GB'${lasts}, then SELECT pg_reload_conf()`;
}

function describeRate(outlook: WalOutlook): string {
  const rate = planningRate(outlook);
  if (rate === undefined) return 'the rate of WAL is not known yet';
  const perHour = `${describeBytes(Math.round(rate * 3_600))} of WAL an hour`;
  const whole = 'the whole server, not the outbox alone, writes';
  if (outlook.busiestHour !== undefined)
    return `${whole} up to ${perHour}, measured by relays in the busiest hour of the last day`;
  if (outlook.last5Min !== undefined) return `${whole} ${perHour}, measured by relays over the last 5 min`;
  const { checkpointAgeSeconds: age } = outlook;
  if (age === undefined) return `${whole} ${perHour}, measured since the last checkpoint began`;
  return `${whole} ${perHour}: ${describeBytes(Math.round(rate * age))} in the ${describeAge(age)} since its last checkpoint began`;
}
