/**
 * Who owns the schema `outbox` and what is in it. Whoever owns a schema may drop and replace what is in it, whoever may
 * create in it can add functions that are taken for ours, and whoever owns a table can have code run by whoever writes to
 * it. So a schema that somebody else has made beforehand is not one to put the outbox into.
 */
import type pg from 'pg';
import { RelayError } from '../../errors.ts';

/**
 * What in the schema belongs to another role than `$1`, one that it is a member of, or a superuser, as `what role`. That
 * a superuser counts as a member of every role is left out of account: what is asked is whom it has to trust.
 */
const strangersText = `
  with recursive own as (
    select oid from pg_catalog.pg_roles where rolname = $1
    union select roleid from own join pg_catalog.pg_auth_members on member = own.oid),
  trusted as (select oid from own union select oid from pg_catalog.pg_roles where rolsuper),
  schema as (select oid, nspowner, nspacl from pg_catalog.pg_namespace where nspname = 'outbox')
  select format('%s of role %s', what, coalesce(nullif(role, 0)::regrole::text, 'PUBLIC')) as stranger from (
    select 'the schema' as what, nspowner as role, 0 as place from schema
    union select 'the right to create in the schema', acl.grantee, 1 from schema, aclexplode(nspacl) as acl
      where acl.privilege_type = 'CREATE'
    union select format('relation %s', relname), relowner, 2 from schema join pg_catalog.pg_class on relnamespace = schema.oid
      where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union select format('function %s', proname), proowner, 3 from schema join pg_catalog.pg_proc on pronamespace = schema.oid
    union select format('type %s', typname), typowner, 4 from schema join pg_catalog.pg_type on typnamespace = schema.oid
      where typrelid = 0 and typelem = 0
  ) as found where role not in (select oid from trusted) order by place, what limit 5`;

/** @param role whose outbox it is to be */
export async function findStrangers(client: pg.Pool | pg.ClientBase, role: string): Promise<string[]> {
  const { rows } = await client.query<{ stranger: string }>(strangersText, [role]);
  return rows.map(({ stranger }) => stranger);
}

/** @throws RelayError MIGRATION_CONFLICT where the schema, or something in it, is another role's */
export async function assertOwn(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ role: string }>('select current_user::text as role');
  const role = rows[0]!.role;
  const strangers = await findStrangers(client, role);
  if (strangers.length > 0)
    throw new RelayError(
      'MIGRATION_CONFLICT',
      `in the schema outbox, role ${role} would have to trust ${strangers.join(', ')}: run migrate as that role, or drop these, revoke them or change their owner with ALTER ... OWNER TO ${role}`,
    );
}
