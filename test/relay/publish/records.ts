/** Makes records as encode gives them. */
import type { OutboundRecord } from '../../../relay/encode/record.ts';

export const recordOf = (more: Partial<OutboundRecord> = {}): OutboundRecord => ({
  topic: 'outbox.event.order',
  partition: 0,
  key: 'k',
  value: Buffer.from([0, 0, 0, 0, 1, 2]),
  headers: { id: 'i', type: 'Placed', position: '0000000000000001.00000000' },
  // Kafka removes what is older than `retention.ms`, seven days, whenever it looks.
  timestampMs: Date.now(),
  bytes: 100,
  maxBatchBytes: 1_048_527,
  ...more,
});
