import { expect, test } from 'vitest';
import type { RelayError } from '../../../../relay/errors.ts';
import { checkAdded, checkCommitted, checkProduced } from '../../../../relay/publish/lean/answers.ts';
import { LeanBatchBuilder } from '../../../../relay/publish/lean/batch-builder.ts';
import { BufferPool } from '../../../../relay/publish/lean/buffer-pool.ts';
import { planRequests } from '../../../../relay/publish/lean/produce-plan.ts';
import { Sequences } from '../../../../relay/publish/lean/sequences.ts';
import { recordOf } from '../records.ts';

const notAttempted = 55;

/** What a check throws: the relay's code if it has one, else Kafka's name of the error. */
function thrownBy(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    const { code, type } = error as RelayError & { type?: string };
    return typeof code === 'string' ? code : type;
  }
}

const added = (...codes: readonly number[]) => ({
  errors: [{ topic: 't', partitionErrors: codes.map((errorCode, partition) => ({ partition, errorCode })) }],
});

test('partitions are added if every code is 0', () => {
  expect(thrownBy(() => checkAdded(added(0, 0)))).toBeUndefined();
  expect(thrownBy(() => checkAdded(added(0, 51)))).toBe('CONCURRENT_TRANSACTIONS');
});

test('the error is that of the partition that caused the refusal, not of those that were skipped', () => {
  expect(thrownBy(() => checkAdded(added(notAttempted, 0, 29, notAttempted)))).toBe(
    'TOPIC_AUTHORIZATION_FAILED',
  );
  expect(thrownBy(() => checkAdded(added(0, notAttempted)))).toBe('OPERATION_NOT_ATTEMPTED');
});

/** One batch of two records for each of two partitions. */
function twoBatches() {
  const builder = new LeanBatchBuilder(new BufferPool());
  for (const partition of [0, 0, 1, 1]) builder.append(recordOf({ topic: 't', partition }));
  return planRequests([...builder.partitions()])[0]!;
}

const produced = (...partitions: readonly (readonly [number, number, number])[]) => ({
  topics: [
    {
      topicName: 't',
      partitions: partitions.map(([partition, errorCode, offset]) => ({
        partition,
        errorCode,
        baseOffset: String(offset),
      })),
    },
  ],
});

test('records are appended when each partition answers with an offset beyond its last record', () => {
  const sequences = new Sequences();
  const check = (first: number, second: number) =>
    thrownBy(() => checkProduced(twoBatches(), produced([0, 0, first], [1, 0, second]), sequences));
  expect(check(10, 0)).toBeUndefined();
  expect(check(12, 2), 'the next offsets').toBeUndefined();
  expect(check(13, 4), 'the second record of the batch before has offset 13').toBe('PUBLISH_UNCERTAIN');
});

test('a partition that the answer does not name leaves the outcome uncertain', () => {
  expect(thrownBy(() => checkProduced(twoBatches(), produced([0, 0, 10]), new Sequences()))).toBe(
    'PUBLISH_UNCERTAIN',
  );
  expect(thrownBy(() => checkProduced(twoBatches(), produced([0, 0, 10], [2, 0, 5]), new Sequences()))).toBe(
    'PUBLISH_UNCERTAIN',
  );
});

test.each([
  [10, 'PUBLISH_REFUSED'],
  [18, 'PUBLISH_REFUSED'],
  [32, 'PUBLISH_REFUSED'],
  [87, 'PUBLISH_REFUSED'],
  [6, 'NOT_LEADER_FOR_PARTITION'],
  [47, 'INVALID_PRODUCER_EPOCH'],
  [90, 'PRODUCER_FENCED'],
  [120, 'TRANSACTION_ABORTABLE'],
])('code %i for one partition is %s', (code, expected) => {
  const answer = produced([0, 0, 10], [1, code, -1]);
  expect(thrownBy(() => checkProduced(twoBatches(), answer, new Sequences()))).toBe(expected);
});

test('a transaction is committed only if the code is 0', () => {
  expect(thrownBy(() => checkCommitted({ errorCode: 0 }))).toBeUndefined();
  expect(thrownBy(() => checkCommitted({ errorCode: 51 }))).toBe('CONCURRENT_TRANSACTIONS');
  expect(thrownBy(() => checkCommitted({ errorCode: 48 }))).toBe('INVALID_TXN_STATE');
});
