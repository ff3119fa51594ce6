/** Owns the question whether row-level security may hide rows from the relay's role. */
import pg from 'pg';

/**
 * Tables that the relay reads of which row-level security may hide rows from this role, each with whether a policy shows
 * it all: one for every command without a condition, and none that restricts. `row_security = off` lets Postgres refuse
 * also where every row would be shown.
 */
export function rowSecurity(outboxTable: string): string {
  const [schema = '', table = ''] = outboxTable.split('.').map(pg.escapeLiteral);
  return `select c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name,
      coalesce((select bool_or(p.polcmd = '*' and pg_get_expr(p.polqual, c.oid) = 'true'
                               and coalesce(pg_get_expr(p.polwithcheck, c.oid), 'true') = 'true')
                       and bool_and(p.polpermissive)
                  from pg_policy p
                 where p.polrelid = c.oid
                   and exists (select from unnest(p.polroles) as r (role)
                                where case when role = 0 then true else pg_has_role(role, 'usage') end)), false) as shown
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relrowsecurity and row_security_active(c.oid)
       and ((n.nspname = 'outbox' and not c.relispartition) or (n.nspname = ${schema} and c.relname = ${table}))`;
}

/**
 * Off is for Postgres to refuse; where a policy shows every row of every table, there is nothing to refuse. That may change
 * while the session lasts: see `assertRowsShown`.
 */
export const seesAllRows = (outboxTable: string) =>
  `select set_config('row_security', 'on', false) from (${rowSecurity(outboxTable)}) as of_tables having bool_and(shown)`;
