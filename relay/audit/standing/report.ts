/** What the standing audit knows and found, for people and for the record. Reads Postgres only. */
import type pg from 'pg';
import { query, statement } from '../../connect/postgres/statement.ts';
import { type AuditRow, loadAudit } from './store.ts';

export type StoredFinding = {
  readonly foundAt: Date;
  readonly kind: string;
  readonly id: string | null;
  readonly topic: string | null;
  readonly partition: number | null;
  readonly offset: string | null;
  readonly position: string | null;
  readonly detail: string | null;
};

export type AuditReport = {
  /** When it was read, ISO. */
  readonly at: string;
  readonly slot: string;
  readonly audit: AuditRow;
  /** The latest that nothing has resolved, the latest first. */
  readonly latest: readonly StoredFinding[];
};

const latestMost = 100;

/** undefined before the first run. @throws RelayError POSTGRES_* */
export async function readAuditReport(
  client: pg.Pool | pg.ClientBase,
  slot: string,
): Promise<AuditReport | undefined> {
  const known = await loadAudit(client, slot);
  if (known === undefined) return undefined;
  const latest = await query(client, readFindings, [slot, known.row.startedAt]);
  return { at: new Date().toISOString(), slot, audit: known.row, latest };
}

const readFindings = statement<StoredFinding>(
  'audit.read_findings',
  'reading what was found',
  `select found_at as "foundAt", kind, event_id as id, topic, partition, "offset"::text as offset, position, detail
    from outbox.audit_finding where slot = $1 and resolved_at is null and (found_at >= $2 or kind = 'missing')
    order by found_at desc, audit_finding.id desc limit ${latestMost}`,
);
