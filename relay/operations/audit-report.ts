/**
 * What runs of the standing audit know, without the audit itself: a relay that streams reads it, and audits in another
 * thread, so that it loads none of the audit's code.
 */
import type { Logger } from 'pino';
import { type AuditReport, readAuditReport } from '../audit/standing/report.ts';
import type { AuditRow } from '../audit/standing/store.ts';
import type { Config } from '../config/config.ts';
import { assertRowsShown } from '../connect/postgres/rows-shown.ts';
import { hasComparedNothing, hasFindings, openFindings, unproven } from '../observe/audit-metrics.ts';
import { withPool } from './with-pool.ts';

export type StandingReport = AuditReport;

/** What earlier runs know; undefined before the first. Reads Postgres only. @throws RelayError POSTGRES_* */
export function auditReport(config: Config): Promise<StandingReport | undefined> {
  return withPool(config, async (pool) => {
    const report = await readAuditReport(pool, config.slot.name);
    // Hidden rows would look as if the audit had never run, or had found nothing.
    await assertRowsShown(pool, config, ['outbox.audit', 'outbox.audit_finding']);
    return report;
  });
}

/** One line a run. */
export function logRun(log: Logger, row: AuditRow): void {
  const { events, matched, records, windows, verifiedAt, heldBack, lastRunMs } = row;
  const facts = { ...openFindings(row), verifiedAt, windows, events, compared: matched, records, lastRunMs };
  if (heldBack !== null) log.warn({ ...facts, heldBack }, 'audit held back');
  else if (hasFindings(row)) log.error(facts, 'audit has findings');
  else if (unproven(row) > 0)
    log.warn({ ...facts, missingOrRemoved: unproven(row) }, 'audited, and not all of it is proven');
  else if (hasComparedNothing(row)) log.warn(facts, 'audited, and no event could be compared');
  else log.info(facts, 'audited');
}
