import { describe, expect, test } from 'vitest';
import { composeListeners, type Listener, type RelayObserver } from '../../../relay/observe/observer.ts';

const none = () => {};

/** Notes what it hears, as `name fact`. */
function noting(name: string, notes: string[]): Listener {
  return {
    name,
    hears: {
      acknowledged: ({ endLsn }) => notes.push(`${name} acknowledged ${endLsn}`),
      deadLettersPurged: ({ deadLetters }) => notes.push(`${name} purged ${deadLetters}`),
    },
  };
}

test('each listener hears each fact, in the order of the list', () => {
  const notes: string[] = [];
  const observer = composeListeners([noting('one', notes), noting('other', notes)], none);
  observer.acknowledged?.({ endLsn: 1n });
  observer.deadLettersPurged?.({ deadLetters: 2 });
  expect(notes).toEqual(['one acknowledged 1', 'other acknowledged 1', 'one purged 2', 'other purged 2']);
});

test('a fact that nobody hears is not made', () => {
  const observer = composeListeners([noting('one', [])], none);
  expect(Object.keys(observer)).toEqual(['acknowledged', 'deadLettersPurged']);
  expect(composeListeners([], none)).toEqual({});
});

describe('a listener that fails', () => {
  const failure = new Error('of the listener');
  const bad: RelayObserver = {
    acknowledged: () => {
      throw failure;
    },
  };
  const badLater: RelayObserver = { acknowledged: async () => Promise.reject(failure) };

  test.each([
    ['at once', bad],
    ['later', badLater],
  ])('%s is reported, the others hear the same, and the relay goes on', async (_, hears) => {
    const notes: string[] = [];
    const reports: unknown[] = [];
    const listeners = [noting('before', notes), { name: 'bad', hears }, noting('behind', notes)];
    const observer = composeListeners(listeners, (...report) => reports.push(report));
    observer.acknowledged?.({ endLsn: 1n });
    observer.acknowledged?.({ endLsn: 2n });
    await new Promise(setImmediate);
    expect(notes).toEqual([
      'before acknowledged 1',
      'behind acknowledged 1',
      'before acknowledged 2',
      'behind acknowledged 2',
    ]);
    expect(reports).toEqual(Array(2).fill(['bad', 'acknowledged', failure]));
  });

  test('hurts nobody where the report fails too', () => {
    const notes: string[] = [];
    const observer = composeListeners([{ name: 'bad', hears: bad }, noting('behind', notes)], () => {
      throw new Error('of the report');
    });
    expect(() => observer.acknowledged?.({ endLsn: 1n })).not.toThrow();
    expect(notes).toEqual(['behind acknowledged 1']);
  });
});
