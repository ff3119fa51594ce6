import { expect, test } from 'vitest';
import { Notice } from '../../../relay/stream/notice.ts';

/** Whether the promise is settled once everything that is due now has run. */
async function isSettled(promise: Promise<void>): Promise<boolean> {
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

test('a waiter is woken by notice, and not before', async () => {
  const notice = new Notice();
  const waiting = notice.wait();
  expect(await isSettled(waiting)).toBe(false);
  notice.give();
  await waiting;
});

test('notice given while nobody waits ends the next wait, and only that', async () => {
  const notice = new Notice();
  notice.give();
  notice.give();
  await notice.wait();
  const second = notice.wait();
  expect(await isSettled(second)).toBe(false);
  notice.give();
  await second;
});

test('a wait ends by the clock', async () => {
  const begunMs = performance.now();
  await new Notice().wait(20);
  expect(performance.now() - begunMs).toBeGreaterThanOrEqual(18);
});

test('notice after the clock has ended a wait is for the next one', async () => {
  const notice = new Notice();
  await notice.wait(1);
  notice.give();
  expect(await isSettled(notice.wait())).toBe(true);
});

test('notice before the clock leaves no timer behind that would end a later wait', async () => {
  const notice = new Notice();
  const first = notice.wait(5);
  notice.give();
  await first;
  const second = notice.wait();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await isSettled(second)).toBe(false);
  notice.give();
  await second;
});
