import { expect, test } from 'vitest';
import type { RelayError } from '../../../../relay/errors.ts';
import {
  checkAdded,
  checkAssigned,
  checkCommitted,
  checkProduced,
  isAllBusy,
  nextIdentity,
} from '../../../../relay/publish/lean/answers.ts';
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
  [35, 'PUBLISH_UNCERTAIN'],
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
  expect(
    thrownBy(() => checkCommitted({ errorCode: 35 })),
    'not fatal',
  ).toBe('PUBLISH_UNCERTAIN');
});

test('a coordinator that cannot store a new transaction may be repaired, so nothing of it is fatal', () => {
  const added = { errors: [{ topic: 't', partitionErrors: [{ partition: 0, errorCode: 35 }] }] };
  expect(thrownBy(() => checkAdded({ clientSideThrottleTime: 0, ...added }))).toBe('KAFKA_UNAVAILABLE');
  expect(thrownBy(() => checkAssigned(producer, assigned(-1n, -1, 35)))).toBe('KAFKA_UNAVAILABLE');
});

const producer = { transactionalId: 'relay', producerId: 7n, producerEpoch: 4 };
const assigned = (producerId: bigint, producerEpoch: number, errorCode = 0) => ({
  clientSideThrottleTime: 0,
  errorCode,
  producerId,
  producerEpoch,
});

test('the next transaction has the next epoch, or epoch 0 of another producer id', () => {
  expect(nextIdentity(producer, assigned(7n, 5))).toEqual({ ...producer, producerEpoch: 5 });
  const last = { ...producer, producerEpoch: 32_766 };
  expect(nextIdentity(last, assigned(8n, 0))).toEqual({ ...producer, producerId: 8n, producerEpoch: 0 });
});

test.each([
  ['the same epoch', assigned(7n, 4)],
  ['an earlier epoch', assigned(7n, 3)],
  ['epoch 0 of the same producer id', assigned(7n, 0)],
  ['an epoch that another producer has had', assigned(7n, 6)],
  ['a later epoch of another producer id', assigned(8n, 5)],
  ['no identity', assigned(-1n, -1)],
  ['no identity at all', { errorCode: 0 }],
])('an answer with %s leaves the outcome uncertain', (_, answer) => {
  expect(thrownBy(() => nextIdentity(producer, answer))).toBe('PUBLISH_UNCERTAIN');
});

test('a raised epoch is the one that the coordinator assigned', () => {
  expect(checkAssigned(producer, assigned(7n, 5))).toEqual({ ...producer, producerEpoch: 5 });
  expect(thrownBy(() => checkAssigned(producer, assigned(-1n, -1, 90)))).toBe('PRODUCER_FENCED');
  expect(thrownBy(() => checkAssigned(producer, assigned(-1n, -1, 51)))).toBe('CONCURRENT_TRANSACTIONS');
});

test('a request is sent again only if every batch was refused because the coordinator is busy', () => {
  const isBusy = (...codes: readonly number[]) =>
    isAllBusy(twoBatches(), produced(...codes.map((code, index) => [index, code, -1] as const)));
  expect(isBusy(51, 51)).toBe(true);
  expect(isBusy(51, 0)).toBe(false);
  expect(isBusy(51, 19)).toBe(false);
  expect(isBusy(0, 0)).toBe(false);
  expect(isBusy(51), 'a partition is missing').toBe(false);
  expect(isBusy(), 'the answer is empty').toBe(false);
});
