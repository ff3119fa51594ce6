/** Creates records as encode returns them. */
import type { OutboundRecord } from '../../../relay/encode/record.ts';

export const recordOf = (more: Partial<OutboundRecord> = {}): OutboundRecord => ({
  topic: 'outbox.event.order',
  partition: 0,
  key: 'k',
  value: Buffer.from([0, 0, 0, 0, 1, 2]),
  headers: { id: 'i', type: 'Placed', position: '0000000000000001.00000000' },
  // Kafka removes records that are older than `retention.ms`, seven days, at any time.
  timestampMs: Date.now(),
  bytes: 100,
  maxBatchBytes: 1_048_527,
  ...more,
});
