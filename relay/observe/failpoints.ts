/**
 * Owns the places where a test can make the relay die or hang. Inert unless `OUTBOX_RELAY_FAILPOINT` names one. `NAME:3`
 * dies the third time the place is reached, `NAME:3:hang` stays there, `NAME:3:pause:4000` continues after 4 s,
 * `NAME:3:until:/some/file` once the file exists, and `NAME:3:block:4000` blocks the event loop for 4 s.
 * The process dies as in a power cut: no handler runs, no buffer is flushed. Timers go on while it hangs or pauses. All but
 * a death are written to stderr, before and after.
 */
import { existsSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export const failpoints = [
  'SLOT_CREATED',
  'SLOT_TAKEN',
  'PRODUCER_FENCED',
  'CLAIM_COMMITTED',
  'CLAIM_READ',
  'LINEAGE_CHECKED',
  'FIRST_PROGRESS_COMMITTED',
  'DEAD_LETTERS_REREAD',
  'SLOT_MARKED',
  'TRANSACTION_RECEIVED',
  'TRANSACTION_ENCODED',
  'BATCH_TAKEN',
  'DEAD_LETTERS_STORED',
  'PARTITIONS_ADDED',
  'PART_WRITTEN',
  'PROGRESS_SENT',
  'EVENTS_SENT',
  'COMMIT_SENT',
  'KAFKA_COMMITTED',
  'ACKNOWLEDGED',
  'HEARTBEAT_WRITTEN',
  'PROGRESS_COPIED',
  'REPLAY_RECORDED',
  'REPLAY_LISTED',
  'PARTITION_ARCHIVED',
  'SESSION_FAILED',
  'DRAINING',
  'DRAINED',
] as const;

export type Failpoint = (typeof failpoints)[number];

const [armed, count = '1', manner = 'die', argument = '1000'] =
  process.env.OUTBOX_RELAY_FAILPOINT?.split(':') ?? [];
let left = Number(count);
/** Of being interrupted and not killed. */
const manners = ['hang', 'pause', 'until', 'block'];

/** Await it, so that the process can hang there. */
export function failpoint(name: Failpoint): Promise<void> | undefined {
  if (name !== armed) return undefined;
  left -= 1;
  if (left !== 0) return undefined;
  if (manners.includes(manner)) return interrupt(name);
  process.kill(process.pid, 'SIGKILL');
  return undefined;
}

async function interrupt(name: Failpoint): Promise<void> {
  writeSync(2, `failpoint ${name} reached\n`);
  if (manner === 'hang') return new Promise(() => {});
  if (manner === 'pause') await delay(Number(argument));
  else if (manner === 'until') while (!existsSync(argument)) await delay(20);
  else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(argument));
  writeSync(2, `failpoint ${name} left\n`);
}
