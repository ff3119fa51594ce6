import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { abortAfter, abortWith } from '../../../relay/model/abort.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function collectGarbage(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) {
    await delay(5);
    collect();
  }
}

describe('a time limit', () => {
  test('ends what looks at it, or waits for it, although garbage is collected before', async () => {
    const parent = new AbortController();
    const seen = abortAfter(100, parent.signal);
    const waited = delay(60_000, 'the whole time', { signal: abortAfter(100, parent.signal) });
    const ended = expect(waited).rejects.toThrow('aborted');
    await collectGarbage();
    await ended;
    await expect.poll(() => seen.aborted).toBe(true);
    expect(seen.reason.name).toBe('TimeoutError');
  });

  test('that is longer than a timer can wait for does not end at once', async () => {
    // As long as verify may wait at most.
    const long = abortAfter(9_999_999_000);
    const short = abortAfter(20);
    await expect.poll(() => short.aborted).toBe(true);
    expect(long.aborted).toBe(false);
  });

  test('ends with the other signal, whose reason it has', () => {
    const parent = new AbortController();
    const signal = abortAfter(60_000, parent.signal);
    expect(signal.aborted).toBe(false);
    parent.abort('stopped');
    expect(signal.reason).toBe('stopped');
    expect(abortAfter(60_000, parent.signal).reason).toBe('stopped');
  });
});

test('a controller that follows a signal aborts with it through two of them, and alone', async () => {
  const parent = new AbortController();
  const follow = () => abortWith(new AbortController(), abortWith(new AbortController(), parent.signal));
  const seen = follow();
  const waited = delay(60_000, undefined, { signal: follow() });
  const ended = expect(waited).rejects.toThrow('aborted');
  const alone = new AbortController();
  abortWith(alone, parent.signal);
  alone.abort();
  await collectGarbage();
  expect(seen.aborted).toBe(false);
  parent.abort();
  expect(seen.aborted).toBe(true);
  await ended;
});
