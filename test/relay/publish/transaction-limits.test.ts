import { describe, expect, test } from 'vitest';
import { TransactionLimits } from '../../../relay/publish/transaction-limits.ts';
import { configOf } from '../settings.ts';

const timeoutMs = 60_000;
const slowMs = timeoutMs / 2;
const quickMs = 100;

function limits() {
  const { publish, kafka } = configOf({});
  return new TransactionLimits({ publish, kafka: { ...kafka, transactionTimeoutMs: timeoutMs } });
}

function limitsOf({ publish }: TransactionLimits) {
  const { maxTransactionEvents, maxTransactionBytes, batchEvents, batchBytes } = publish;
  return { maxTransactionEvents, maxTransactionBytes, batchEvents, batchBytes };
}

const whole = limitsOf(limits());
const large = { events: 1_000, bytes: 1_000_000 };

describe('a Kafka transaction that is aborted because it took too long', () => {
  test('with several Postgres transactions: each is then sent whole, one at a time', () => {
    const it = limits();
    for (let abort = 0; abort < 5; abort++) it.expired(large, 7);
    expect(it.isSplitting).toBe(false);
    expect(limitsOf(it)).toEqual({ ...whole, batchEvents: 1, batchBytes: 1 });
  });

  test('with one Postgres transaction is retried whole, and split if it is aborted again', () => {
    const it = limits();
    it.expired(large, 1);
    expect(it.isSplitting).toBe(false);
    it.expired(large, 1);
    expect(limitsOf(it)).toMatchObject({ maxTransactionEvents: 500, maxTransactionBytes: 500_000 });
    it.expired({ events: 500, bytes: 500_000 }, 1);
    expect(limitsOf(it)).toMatchObject({ maxTransactionEvents: 250, maxTransactionBytes: 250_000 });
  });

  test('does not count if another one was committed in between', () => {
    const it = limits();
    it.expired(large, 1);
    it.committed(slowMs);
    it.expired(large, 1);
    expect(it.isSplitting).toBe(false);
  });

  test('is split down to one event and no further', () => {
    const it = limits();
    for (let abort = 0; abort < 10; abort++) it.expired({ events: 1, bytes: 1 }, 1);
    expect(limitsOf(it)).toEqual({
      maxTransactionEvents: 1,
      maxTransactionBytes: 1,
      batchEvents: 1,
      batchBytes: 1,
    });
  });

  test('without events splits nothing', () => {
    const it = limits();
    for (let abort = 0; abort < 5; abort++) it.expired({ events: 0, bytes: 0 }, 0);
    expect(it.isSplitting).toBe(false);
  });
});

test('fast transactions restore the limits of the settings, slow ones do not', () => {
  const it = limits();
  for (let abort = 0; abort < 3; abort++) it.expired(large, 1);
  const reduced = limitsOf(it);
  it.committed(slowMs);
  expect(limitsOf(it)).toEqual(reduced);
  for (let commit = 0; commit < 60; commit++) it.committed(quickMs);
  expect(limitsOf(it)).toEqual(whole);
});
