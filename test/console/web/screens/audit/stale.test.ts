import { expect, test } from 'vitest';
import { isAuditStale } from '../../../../../console/web/screens/audit/stale.ts';

const now = Date.parse('2030-01-01T12:00:00Z');
const at = (minutesAgo: number) => new Date(now - minutesAgo * 60_000).toISOString();

test.each([
  ['ran some minutes ago', { lastRunAt: at(10), lastErrorAt: null }, 0, false],
  ['has not run for more than an hour', { lastRunAt: at(61), lastErrorAt: null }, 0, true],
  ['runs every three hours', { lastRunAt: at(200), lastErrorAt: null }, 180, false],
  ['should run every three hours, and does not', { lastRunAt: at(361), lastErrorAt: null }, 180, true],
  ['fails, and says so', { lastRunAt: at(600), lastErrorAt: at(2) }, 5, false],
  ['has never ended a run', { lastRunAt: null, lastErrorAt: null }, 5, false],
])('an audit that %s is judged by its last run', (_, audit, everyMinutes, isStale) => {
  expect(isAuditStale(audit, everyMinutes, now)).toBe(isStale);
});
