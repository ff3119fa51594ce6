import { expect, test } from 'vitest';
import { isClean, Ledger, type Receipt, type WrittenEvent } from '../../demo/ledger.ts';
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

/** Books in which the events a, b and c of one key were committed. */
function committed(): Ledger {
  const ledger = new Ledger();
  ledger.committed([event('a', 1), event('b', 2), event('c', 3)], 0);
  return ledger;
}

test('books in which everything arrived once and in order are clean', () => {
  const ledger = committed();
  for (const id of ['a', 'b', 'c']) ledger.received(receipt(id));
  const verdict = ledger.verdict();
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
  const ledger = committed();
  for (const one of receipts) ledger.received(one);
  const verdict = ledger.verdict();
  expect(verdict).toMatchObject({ ...noFaults, [name]: 1 });
  expect(isClean(verdict)).toBe(false);
});

test('order is judged for each key of each topic by itself', () => {
  const ledger = new Ledger();
  ledger.committed([event('a', 2), event('b', 1, { key: '43' }), event('c', 1, { topic: 'payments' })], 0);
  ledger.received(receipt('a'));
  ledger.received(receipt('b', { key: '43' }));
  ledger.received(receipt('c', { topic: 'payments' }));
  expect(isClean(ledger.verdict())).toBe(true);
});

test('an event that no schema accepts belongs in the dead letters, once', () => {
  const ledger = new Ledger();
  ledger.committed([event('a', 1, { fate: 'refuse' })], 0);
  expect(ledger.verdict()).toMatchObject({ committed: 0, missing: 1, deadLetters: 0 });
  ledger.deadLettersAre(['a']);
  expect(ledger.verdict()).toMatchObject({ ...noFaults, deadLetters: 1 });
  ledger.deadLettersAre(['a', 'a']);
  expect(ledger.verdict()).toMatchObject({ ...noFaults, duplicates: 1 });
});

test('a valid event that is dead-lettered is misplaced, and one that is published too is also a duplicate', () => {
  const ledger = new Ledger();
  ledger.committed([event('a', 1)], 0);
  ledger.deadLettersAre(['a']);
  expect(ledger.verdict()).toMatchObject({ ...noFaults, misplaced: 1 });
  ledger.received(receipt('a'));
  expect(ledger.verdict()).toMatchObject({ ...noFaults, misplaced: 1, duplicates: 1 });
});

test('an event that no schema accepts and that is published is misplaced', () => {
  const ledger = new Ledger();
  ledger.committed([event('a', 1, { fate: 'refuse' })], 0);
  ledger.received(receipt('a'));
  expect(ledger.verdict()).toMatchObject({ ...noFaults, misplaced: 1 });
});

test('a dead letter of a transaction that was rolled back is leaked', () => {
  const ledger = new Ledger();
  ledger.rolledBack(1);
  ledger.deadLettersAre(['a']);
  expect(ledger.verdict()).toMatchObject({ ...noFaults, leaked: 1, rolledBack: 1, deadLetters: 0 });
});

test('outstanding falls to 0 when the last event is received or dead-lettered, whichever is known first', () => {
  const ledger = new Ledger();
  ledger.received(receipt('early')); // before COMMIT has returned to its writer
  ledger.deadLettersAre(['refused early']);
  ledger.committed([event('early', 1), event('refused early', 2, { fate: 'refuse' })], 20);
  expect(ledger.outstanding).toBe(0);
  ledger.committed([event('late', 3), event('refused late', 4, { fate: 'refuse' })], 20);
  expect(ledger.outstanding).toBe(2);
  ledger.received(receipt('late'));
  ledger.received(receipt('late'));
  expect(ledger.outstanding).toBe(1);
  ledger.deadLettersAre(['refused early', 'refused late']);
  ledger.deadLettersAre(['refused early', 'refused late']);
  expect(ledger.outstanding).toBe(0);
});

test('latency counts from the answer to COMMIT, and from 0 where the consumer was faster than that', () => {
  const ledger = new Ledger();
  ledger.received(receipt('fast', { atMs: 4 }));
  ledger.committed([event('fast', 1), event('slow', 2)], 5);
  ledger.received(receipt('slow', { atMs: 12 }));
  expect(ledger.latenciesMs).toEqual([0, 7]);
});
