/** Owns the SQL that finds whether row-level security may hide rows from the role of the relay. */
import pg from 'pg';

/**
 * The tables that the relay reads and whose rows row-level security may hide from this role; `shown` says whether a policy
 * shows every row: a permissive one for all commands without a condition, and no restrictive one. With `row_security = off`
 * Postgres refuses a read even if a policy shows every row.
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
 * Sets `row_security = on`, so that Postgres does not refuse the read, if policies show every row of every table. That may
 * change during the session: see rows-shown.ts.
 */
export const seesAllRows = (outboxTable: string) =>
  `select set_config('row_security', 'on', false) from (${rowSecurity(outboxTable)}) as of_tables having bool_and(shown)`;
