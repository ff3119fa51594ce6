/** What the standing audit found about events. Reads Postgres only. */
import { closedByStart } from '../../audit/standing/start.ts';
import type { Config } from '../../config/config.ts';
import { assertRowsShown } from '../../connect/postgres/rows-shown.ts';
import { type Client, query, statement } from '../../connect/postgres/statement.ts';
import type { FoundFinding } from './found.ts';

/** More of one event say no more. */
const findingsMost = 1_000;

/** Oldest first. @throws RelayError POSTGRES_* */
export async function findFindings(
  client: Client,
  config: Config,
  ids: readonly string[],
): Promise<FoundFinding[]> {
  const rows = await query(client, read, [config.slot.name, ids]);
  await assertRowsShown(client, config, ['outbox.audit_finding']);
  return rows.map(({ foundAt, resolvedAt, detail, ...row }) => {
    const isByStart = resolvedAt !== null && detail?.endsWith(closedByStart) === true;
    return {
      ...row,
      foundAt: foundAt.toISOString(),
      resolvedAt: resolvedAt?.toISOString() ?? null,
      resolvedBy: resolvedAt === null ? null : isByStart ? 'start' : 'record',
      detail: isByStart ? detail.slice(0, -closedByStart.length).replace(/; $/, '') || null : detail,
    };
  });
}

/** By each kind, as the index has them. */
const read = statement<
  Omit<FoundFinding, 'foundAt' | 'resolvedAt' | 'resolvedBy'> & { foundAt: Date; resolvedAt: Date | null }
>(
  'operations.read_findings_of_events',
  'reading what the audit found',
  `select event_id as id, kind, found_at as "foundAt", resolved_at as "resolvedAt", topic, partition,
          "offset"::text as offset, position, detail
     from outbox.audit_finding
    where slot = $1 and kind = any ('{missing,duplicate,leaked,out_of_order,undecodable}') and event_id = any ($2::text[])
    order by found_at, audit_finding.id limit ${findingsMost}`,
);
