import { describe, expect, test } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import type { Duty } from '../../../relay/upkeep/duty.ts';
import { pauseAfter, type ReportFailure, runDuties } from '../../../relay/upkeep/run-duties.ts';

/** Ends the duties when the given one has run so often. */
function counted(name: string, times: number, ending: AbortController): Duty & { runs: number } {
  const duty = {
    name,
    everyMs: 1,
    runs: 0,
    run: async () => {
      duty.runs += 1;
      if (duty.runs === times) ending.abort();
    },
  };
  return duty;
}

const failing = (error: unknown, rest: Partial<Duty> = {}): Duty => ({
  name: 'failing',
  everyMs: 1,
  run: () => Promise.reject(error),
  ...rest,
});

const none: ReportFailure = () => {};

test('a duty runs while another one waits', async () => {
  const ending = new AbortController();
  const stuck = Promise.withResolvers<void>();
  const waiting: Duty = { name: 'waiting', everyMs: 1, run: () => stuck.promise };
  const other = counted('other', 3, ending);
  const [waits, ended] = runDuties([waiting, other], none, ending.signal);
  await ended;
  expect(other.runs).toBe(3);
  stuck.resolve();
  await waits;
});

test('a loop has ended only when the run that it had begun is over, and begins no other', async () => {
  const ending = new AbortController();
  const begun = Promise.withResolvers<void>();
  const rest = Promise.withResolvers<void>();
  let runs = 0;
  const run = () => {
    runs += 1;
    begun.resolve();
    return rest.promise;
  };
  let hasEnded = false;
  const loop = runDuties([{ name: 'slow', everyMs: 0, run }], none, ending.signal)[0]!.then(() => {
    hasEnded = true;
  });
  await begun.promise;
  ending.abort();
  await new Promise(setImmediate);
  expect(hasEnded).toBe(false);
  rest.resolve();
  await loop;
  expect(runs).toBe(1);
});

describe('a failure', () => {
  test.each([
    ['of a server', new RelayError('POSTGRES_UNAVAILABLE', 'gone'), 'POSTGRES_UNAVAILABLE'],
    ['for good', new RelayError('POSTGRES_UNAUTHORIZED', 'refused'), 'POSTGRES_UNAUTHORIZED'],
    ['of unknown kind', new TypeError('no'), 'INTERNAL'],
  ])('%s is reported and the duty runs again', async (_, error, code) => {
    const ending = new AbortController();
    const reports: unknown[] = [];
    const report: ReportFailure = ({ name }, failure, retryInMs) => {
      reports.push([name, failure.code, retryInMs]);
      if (reports.length === 2) ending.abort();
    };
    await Promise.all(runDuties([failing(error)], report, ending.signal));
    expect(reports).toEqual(Array(2).fill(['failing', code, 1]));
  });

  test.each([
    ['the publication is gone', failing(new RelayError('PUBLICATION_MISSING', 'gone'))],
    ['the slot is gone', failing(new RelayError('SLOT_MISSING', 'gone'))],
    [
      'the server shuts down',
      failing(new RelayError('POSTGRES_UNAVAILABLE', 'no', { context: { sqlState: '57P03' } })),
    ],
    [
      'the duty names it',
      failing(new RelayError('OUTBOX_TABLE_INVALID', 'gone'), { endsStreamOn: ['OUTBOX_TABLE_INVALID'] }),
    ],
  ])('ends the stream where %s', async (_, duty) => {
    const reports: unknown[] = [];
    const loops = runDuties([duty], (...report) => reports.push(report), new AbortController().signal);
    await expect(loops[0]).rejects.toBeInstanceOf(RelayError);
    expect(reports).toEqual([]);
  });
});

test('only what a server says that it took counts for the share, not the wait for it', async () => {
  const ending = new AbortController();
  let runs = 0;
  const waits: Duty = {
    name: 'waits',
    everyMs: 1,
    shareMax: 1e-6,
    busyMs: () => 0,
    run: async () => {
      // By the wall, each takes a moment, which is hours at this share.
      await new Promise(setImmediate);
      runs += 1;
      if (runs === 3) ending.abort();
    },
  };
  await Promise.all(runDuties([waits], none, ending.signal));
  expect(runs).toBe(3);
});

describe('the pause after a run', () => {
  test.each([
    ['that succeeded', { everyMs: 100 }, 0, 5, 100],
    ['that failed', { everyMs: 100 }, 1, 5, 100],
    ['that failed, where retries are sooner', { everyMs: 100, retryMs: 10 }, 1, 5, 10],
    ['that failed again doubles', { everyMs: 100, retryMs: 10 }, 3, 5, 40],
    ['that keeps failing is the usual one', { everyMs: 100, retryMs: 10 }, 5_000, 5, 100],
    ['that took long keeps to its share', { everyMs: 100, shareMax: 0.01 }, 0, 30, 3_000],
    ['that failed late is bounded', { everyMs: 100, shareMax: 0.01 }, 1, 3_000, 30_000],
    ['that was short is the usual one', { everyMs: 100, shareMax: 0.01 }, 0, 0.3, 100],
  ])('%s', (_, duty, failures, tookMs, pauseMs) => {
    expect(pauseAfter(duty, failures, tookMs)).toBe(pauseMs);
  });
});
