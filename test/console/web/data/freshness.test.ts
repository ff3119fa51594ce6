import { describe, expect, test } from 'vitest';
import { type Heard, stalenessOf } from '../../../../console/web/data/freshness.ts';

const nowMs = 1_000_000;
const upToDate: Heard = { connection: 'open', openedMs: 0, statusMs: nowMs - 2_100, failure: null };
const failure = { code: 'POSTGRES_UNAVAILABLE', message: 'Postgres is away', hint: 'Start it.' };

describe('what a page shows', () => {
  test('is up to date while answers come', () => {
    expect(stalenessOf(upToDate, nowMs)).toBeUndefined();
    // Nothing is shown, so nothing is old.
    expect(stalenessOf({ ...upToDate, statusMs: null }, nowMs)).toBeUndefined();
  });

  test.each<[string, Partial<Heard>, RegExp]>([
    ['the console is away', { connection: 'lost' }, /console does not answer/],
    ['the server says why it has none', { failure }, /^Postgres is away\. Start it\.$/],
    ['none comes and nothing says why', {}, /late/],
  ])('has the age of the status where %s', (_, part, text) => {
    const statusMs = nowMs - 3_600_000;
    const staleness = stalenessOf({ ...upToDate, statusMs, ...part }, nowMs);
    expect(staleness).toMatchObject({ sinceMs: statusMs, text: expect.stringMatching(text) });
  });

  test('is waited for a moment where the page was hidden, and no longer', () => {
    const hidden = { ...upToDate, statusMs: nowMs - 3_600_000, openedMs: nowMs - 500 };
    expect(stalenessOf(hidden, nowMs)).toBeUndefined();
    expect(stalenessOf(hidden, nowMs + 2_000)).toBeDefined();
    expect(stalenessOf({ ...hidden, failure }, nowMs)).toBeDefined();
  });
});
