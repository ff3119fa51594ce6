import { describe, expect, test } from 'vitest';
import { Inbox } from '../../../relay/capture/inbox.ts';
import { RelayError } from '../../../relay/errors.ts';
import { transactionOf } from './rows.ts';

const transaction = (commitLsn: bigint, bytes = 10) =>
  transactionOf(commitLsn, 0, { bytes, committedAtMs: Number(commitLsn) * 1000 });
const failure = new RelayError('POSTGRES_UNAVAILABLE', 'gone');

function drain(inbox: Inbox): bigint[] {
  const seen: bigint[] = [];
  for (let next = inbox.peek(); next !== undefined; next = inbox.peek()) {
    seen.push(next.commitLsn);
    inbox.shift();
  }
  return seen;
}

describe('order', () => {
  test('what goes in comes out once and in order, however pushing and taking alternate', () => {
    const inbox = new Inbox(1e9, () => {});
    const seen: bigint[] = [];
    let pushed = 0n;
    for (let round = 1; round <= 60; round++) {
      for (let i = 0; i < round; i++) inbox.push(transaction(pushed++));
      for (let i = 0; i < (round * 7) % 11; i++) {
        const next = inbox.peek();
        if (next === undefined) break;
        seen.push(next.commitLsn);
        inbox.shift();
      }
    }
    seen.push(...drain(inbox));
    expect(seen).toEqual(Array.from({ length: Number(pushed) }, (_, index) => BigInt(index)));
  });

  test('the first in line is the oldest, and the events in line are counted', () => {
    const inbox = new Inbox(1e9, () => {});
    expect([inbox.first, inbox.events]).toEqual([undefined, 0]);
    inbox.push(transactionOf(1n, 3));
    inbox.push(transactionOf(2n, 2));
    expect([inbox.first?.commitLsn, inbox.events]).toEqual([1n, 5]);
    inbox.shift();
    expect([inbox.first?.commitLsn, inbox.events]).toEqual([2n, 2]);
    inbox.shift();
    expect([inbox.first, inbox.events]).toEqual([undefined, 0]);
  });
});

describe('the bound', () => {
  test('counts what was taken until it is released, and calls for more once when it falls below', () => {
    let rooms = 0;
    const inbox = new Inbox(100, () => rooms++);
    inbox.push(transaction(1n, 60));
    expect(inbox.isFull).toBe(false);
    inbox.push(transaction(2n, 60));
    drain(inbox);
    expect([inbox.bytes, inbox.isFull, rooms]).toEqual([120, true, 0]);
    inbox.release(20);
    expect([inbox.isFull, rooms]).toEqual([true, 0]); // 100 of 100: still full
    inbox.release(1);
    expect([inbox.isFull, rooms]).toEqual([false, 1]);
    inbox.release(99);
    expect([inbox.bytes, rooms]).toEqual([0, 1]);
  });
});

describe('waiting', () => {
  test('ends with an arrival', async () => {
    const inbox = new Inbox(100, () => {});
    const arrival = inbox.arrival();
    inbox.push(transaction(1n));
    await arrival;
    expect(inbox.peek()?.commitLsn).toBe(1n);
  });

  test('does not begin where something is there already', async () => {
    const inbox = new Inbox(100, () => {});
    inbox.push(transaction(1n));
    await inbox.arrival();
  });

  test('ends without an arrival when it is woken', async () => {
    const inbox = new Inbox(100, () => {});
    const arrival = inbox.arrival();
    inbox.wake();
    await arrival;
    expect(inbox.peek()).toBeUndefined();
  });

  test('ends with the failure of the stream, which stays', async () => {
    const inbox = new Inbox(100, () => {});
    const arrival = expect(inbox.arrival()).rejects.toBe(failure);
    inbox.fail(failure);
    inbox.fail(new RelayError('INTERNAL', 'a later one'));
    await arrival;
    await expect(inbox.arrival()).rejects.toBe(failure);
    expect(await inbox.failed).toBe(failure);
  });

  test('a failed stream gives what arrived before its failure, then the failure, and nothing from behind it', async () => {
    const inbox = new Inbox(100, () => {});
    inbox.push(transaction(1n));
    inbox.push(transaction(2n));
    inbox.fail(failure);
    inbox.push(transaction(3n));
    expect(await inbox.failed).toBe(failure);
    await inbox.arrival();
    expect(inbox.peek()?.commitLsn).toBe(1n);
    inbox.shift();
    expect(inbox.peek()?.commitLsn).toBe(2n);
    inbox.shift();
    expect(() => inbox.peek()).toThrow(failure);
    await expect(inbox.arrival()).rejects.toBe(failure);
    expect(inbox.bytes).toBe(20);
  });
});
