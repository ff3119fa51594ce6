/**
 * Places where a test can have the relay die or hang. Inert unless `OUTBOX_RELAY_FAILPOINT` names one; `NAME:3` dies the
 * third time the place is reached, `NAME:3:hang` stays there. It is killed as a power cut would: no handler runs, no
 * buffer is flushed. While it hangs its timers go on.
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

const [armed, count = '1', manner] = process.env.OUTBOX_RELAY_FAILPOINT?.split(':') ?? [];
let left = Number(count);

/** To be awaited where the process can hang. */
export function failpoint(name: Failpoint): Promise<never> | undefined {
  if (name !== armed) return undefined;
  left -= 1;
  if (left !== 0) return undefined;
  if (manner === 'hang') return new Promise(() => {});
  process.kill(process.pid, 'SIGKILL');
  return undefined;
}
