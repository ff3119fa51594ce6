import { expect, test } from 'vitest';
import { type AuditFacts, auditFailed, setAuditMetrics } from '../../../relay/observe/audit-metrics.ts';
import { createMetrics } from '../../../relay/observe/metrics.ts';

const facts: AuditFacts = {
  missingOpen: 0,
  duplicate: 2,
  leaked: 0,
  outOfOrder: 0,
  undecodable: 0,
  matched: 9,
  unjudged: { unknown: 3, before: 4 },
  verifiedAt: new Date(5_000),
  lastRunAt: new Date(6_000),
  heldBack: null,
};

const linesOf = async ({ registry }: ReturnType<typeof createMetrics>, name: string) =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith(`outbox_relay_audit_${name}`));

test('before the first window is verified there are no zeros to report', async () => {
  const metrics = createMetrics();
  setAuditMetrics(metrics, { ...facts, verifiedAt: null, heldBack: 'the progress is behind' });
  expect(await linesOf(metrics, 'findings')).toEqual([]);
  expect(await linesOf(metrics, 'unjudged')).toEqual([]);
  expect(await linesOf(metrics, 'compared')).toEqual([]);
  expect(await linesOf(metrics, 'verified')).toEqual([]);
  expect(await linesOf(metrics, 'last_run_successful')).toEqual(['outbox_relay_audit_last_run_successful 0']);
});

test('each kind has its count, with the time that it is of', async () => {
  const metrics = createMetrics();
  setAuditMetrics(metrics, facts);
  expect(await linesOf(metrics, 'findings')).toContain('outbox_relay_audit_findings{kind="duplicate"} 2');
  expect(await linesOf(metrics, 'findings')).toContain('outbox_relay_audit_findings{kind="missing"} 0');
  expect(await linesOf(metrics, 'verified')).toEqual(['outbox_relay_audit_verified_timestamp_seconds 5']);
  expect(await linesOf(metrics, 'last_run_t')).toEqual(['outbox_relay_audit_last_run_timestamp_seconds 6']);
  expect(await linesOf(metrics, 'unjudged')).toHaveLength(2);
  expect(await linesOf(metrics, 'compared')).toEqual(['outbox_relay_audit_compared_events 9']);
});

test('what an audit that started again could judge is unjudged no more', async () => {
  const metrics = createMetrics();
  setAuditMetrics(metrics, facts);
  setAuditMetrics(metrics, { ...facts, unjudged: { before: 1 } });
  expect(await linesOf(metrics, 'unjudged')).toEqual(['outbox_relay_audit_unjudged{kind="before"} 1']);
});

test('a run that fails leaves what was found, and says that it failed', async () => {
  const metrics = createMetrics();
  setAuditMetrics(metrics, facts);
  auditFailed(metrics);
  expect(await linesOf(metrics, 'findings')).toContain('outbox_relay_audit_findings{kind="duplicate"} 2');
  expect(await linesOf(metrics, 'last_run_successful')).toEqual(['outbox_relay_audit_last_run_successful 0']);
});
