import { expect, test } from 'vitest';
import { isAuditKnownToRun } from '../../../../../console/web/screens/audit/known-to-run.ts';

const now = Date.parse('2030-01-01T12:00:00Z');
const at = (minutesAgo: number) => new Date(now - minutesAgo * 60_000).toISOString();
const every = (minutes: number) => [5, 4, 3, 2, 1, 0].map((nth) => ({ at: at(minutes * nth + minutes) }));
const none = { lastRunAt: null, lastErrorAt: null, lastRunMs: 1_000, runs: [] };

test.each([
  ['ran some minutes ago', { ...none, lastRunAt: at(5) }, 0, true],
  ['should have run again', { ...none, lastRunAt: at(7) }, 0, false],
  ['takes long', { ...none, lastRunAt: at(7), lastRunMs: 60_000 }, 0, true],
  ['runs every three hours', { ...none, lastRunAt: at(170) }, 180, true],
  ['should run every three hours, and does not', { ...none, lastRunAt: at(190) }, 180, false],
  ['is a process that runs every half hour', { ...none, lastRunAt: at(30), runs: every(30) }, 0, true],
  ['was a process that ran every half hour', { ...none, lastRunAt: at(32), runs: every(30) }, 0, false],
  ['is run once a day', { ...none, lastRunAt: at(1_000), runs: every(1_440) }, 0, false],
  ['had an outage', { ...none, lastRunAt: at(7), runs: [{ at: at(900) }, ...every(5)] }, 0, false],
  ['fails, and says so', { ...none, lastRunAt: at(600), lastErrorAt: at(2) }, 5, true],
  ['has never ended a run', none, 5, false],
])('an audit that %s is judged by its last runs', (_, audit, everyMinutes, runs) => {
  expect(isAuditKnownToRun(audit, everyMinutes, now)).toBe(runs);
});
