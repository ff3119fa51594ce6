/** Record batches for a producer, as a publisher would build them. */
import { LeanBatchBuilder, type PartitionBatches } from '../../../../relay/publish/lean/batch-builder.ts';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import { recordOf } from '../records.ts';

/** One record each for the partitions of topic `t`. */
export function partsOf(...partitions: readonly number[]): PartitionBatches[] {
  const builder = new LeanBatchBuilder(new BufferPool());
  for (const partition of partitions) builder.append(recordOf({ topic: 't', partition }));
  return [...builder.partitions()];
}
