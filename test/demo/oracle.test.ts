import { expect, test } from 'vitest';
import { isClean, Oracle, type Receipt, type WrittenEvent } from '../../demo/oracle.ts';
import { noFaults } from './verdict.ts';

const event = (id: string, sequence: number, change: Partial<WrittenEvent> = {}): WrittenEvent => ({
  id,
  topic: 'orders',
  key: '42',
  sequence,
  fate: 'publish',
  content: `content of ${id}`,
  ...change,
});

const receipt = (id: string, change: Partial<Receipt> = {}): Receipt => ({
  id,
  topic: 'orders',
  key: '42',
  content: `content of ${id}`,
  atMs: 10,
  ...change,
});

/** Knows that the events a, b and c of one key were committed. */
function committed(): Oracle {
  const oracle = new Oracle();
  oracle.committed([event('a', 1), event('b', 2), event('c', 3)], 0);
  return oracle;
}

test('a verdict is clean where everything arrived once and in order', () => {
  const oracle = committed();
  for (const id of ['a', 'b', 'c']) oracle.received(receipt(id));
  const verdict = oracle.verdict();
  expect(verdict).toEqual({ ...noFaults, committed: 3, published: 3, deadLetters: 0, rolledBack: 0 });
  expect(isClean(verdict)).toBe(true);
});

test.each<[name: keyof typeof noFaults, receipts: Receipt[]]>([
  ['missing', [receipt('a'), receipt('c')]],
  ['duplicates', [receipt('a'), receipt('b'), receipt('c'), receipt('b')]],
  ['leaked', [receipt('a'), receipt('b'), receipt('c'), receipt('never committed')]],
  ['orderViolations', [receipt('a'), receipt('c'), receipt('b')]],
  ['undecodable', [receipt('a'), receipt('b', { content: undefined }), receipt('c')]],
  ['altered', [receipt('a'), receipt('b', { content: 'other' }), receipt('c')]],
  ['altered', [receipt('a'), receipt('b', { key: '43' }), receipt('c')]],
  ['altered', [receipt('a'), receipt('b', { topic: 'payments' }), receipt('c')]],
])('one event that is a case of %s is counted, and as nothing else', (name, receipts) => {
  const oracle = committed();
  for (const one of receipts) oracle.received(one);
  const verdict = oracle.verdict();
  expect(verdict).toMatchObject({ ...noFaults, [name]: 1 });
  expect(isClean(verdict)).toBe(false);
});

test('order is judged for each key of each topic by itself', () => {
  const oracle = new Oracle();
  oracle.committed([event('a', 2), event('b', 1, { key: '43' }), event('c', 1, { topic: 'payments' })], 0);
  oracle.received(receipt('a'));
  oracle.received(receipt('b', { key: '43' }));
  oracle.received(receipt('c', { topic: 'payments' }));
  expect(isClean(oracle.verdict())).toBe(true);
});

test('an event that no schema accepts belongs in the dead letters, once', () => {
  const oracle = new Oracle();
  oracle.committed([event('a', 1, { fate: 'refuse' })], 0);
  expect(oracle.verdict()).toMatchObject({ committed: 0, missing: 1, deadLetters: 0 });
  oracle.deadLettersAre(['a']);
  expect(oracle.verdict()).toMatchObject({ ...noFaults, deadLetters: 1 });
  oracle.deadLettersAre(['a', 'a']);
  expect(oracle.verdict()).toMatchObject({ ...noFaults, duplicates: 1 });
});

test('a valid event that is dead-lettered is misplaced, and one that is published too is also a duplicate', () => {
  const oracle = new Oracle();
  oracle.committed([event('a', 1)], 0);
  oracle.deadLettersAre(['a']);
  expect(oracle.verdict()).toMatchObject({ ...noFaults, misplaced: 1 });
  oracle.received(receipt('a'));
  expect(oracle.verdict()).toMatchObject({ ...noFaults, misplaced: 1, duplicates: 1 });
});

test('an event that no schema accepts and that is published is misplaced', () => {
  const oracle = new Oracle();
  oracle.committed([event('a', 1, { fate: 'refuse' })], 0);
  oracle.received(receipt('a'));
  expect(oracle.verdict()).toMatchObject({ ...noFaults, misplaced: 1 });
});

test('a dead letter of a transaction that was rolled back is leaked', () => {
  const oracle = new Oracle();
  oracle.rolledBack(1);
  oracle.deadLettersAre(['a']);
  expect(oracle.verdict()).toMatchObject({ ...noFaults, leaked: 1, rolledBack: 1, deadLetters: 0 });
});

test('outstanding falls to 0 when the last event is received or dead-lettered, whichever is known first', () => {
  const oracle = new Oracle();
  oracle.received(receipt('early')); // before COMMIT has returned to its writer
  oracle.deadLettersAre(['refused early']);
  oracle.committed([event('early', 1), event('refused early', 2, { fate: 'refuse' })], 20);
  expect(oracle.outstanding).toBe(0);
  oracle.committed([event('late', 3), event('refused late', 4, { fate: 'refuse' })], 20);
  expect(oracle.outstanding).toBe(2);
  oracle.received(receipt('late'));
  oracle.received(receipt('late'));
  expect(oracle.outstanding).toBe(1);
  oracle.deadLettersAre(['refused early', 'refused late']);
  oracle.deadLettersAre(['refused early', 'refused late']);
  expect(oracle.outstanding).toBe(0);
});

test('latency counts from the answer to COMMIT, and from 0 where the consumer was faster than that', () => {
  const oracle = new Oracle();
  oracle.received(receipt('fast', { atMs: 4 }));
  oracle.committed([event('fast', 1), event('slow', 2)], 5);
  oracle.received(receipt('slow', { atMs: 12 }));
  expect(oracle.latenciesMs).toEqual([0, 7]);
});
