/**
 * Places where a test can have the relay die. Inert unless `OUTBOX_RELAY_FAILPOINT` names one; `NAME:3` dies the third
 * time the place is reached. The process is killed as a power cut would: no handler runs, no buffer is flushed.
 */
export const failpoints = [
  'SLOT_CREATED',
  'PRODUCER_FENCED',
  'CLAIM_READ',
  'FIRST_PROGRESS_COMMITTED',
  'SLOT_MARKED',
  'TRANSACTION_ENCODED',
  'DEAD_LETTERS_STORED',
  'PROGRESS_SENT',
  'EVENTS_SENT',
  'KAFKA_COMMITTED',
  'ACKNOWLEDGED',
  'DRAINING',
] as const;

export type Failpoint = (typeof failpoints)[number];

const [armed, count = '1'] = process.env.OUTBOX_RELAY_FAILPOINT?.split(':') ?? [];
let left = Number(count);

export function failpoint(name: Failpoint): void {
  if (name !== armed) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}
