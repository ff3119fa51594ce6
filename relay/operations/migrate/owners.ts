/**
 * Who owns the schema `outbox` and what is in it. The owner of a schema may drop and replace what is in it. A role that may
 * create in it can add functions that pass for ours. The owner of a table can run code as every role that writes to it. So
 * the outbox does not go into a schema that another role created.
 */
import { type Client, query, statement } from '../../connect/postgres/statement.ts';
import { RelayError } from '../../errors.ts';

/**
 * What in the schema belongs to a role that role `$1` has no reason to trust, as `what role`. It trusts itself, the roles it
 * is a member of, and superusers. That a superuser is a member of every role does not count here.
 */
const readStrangers = statement<{ stranger: string }>(
  'operations.read_strangers',
  'reading who owns the schema outbox',
  `
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
    ) as found where role not in (select oid from trusted) order by place, what limit 5`,
);

/** @param role that owns the outbox, or will own it */
export async function findStrangers(client: Client, role: string): Promise<string[]> {
  const strangers = await query(client, readStrangers, [role]);
  return strangers.map(({ stranger }) => stranger);
}

/** @throws RelayError MIGRATION_CONFLICT if the schema, or something in it, belongs to another role */
export async function assertOwn(client: Client): Promise<void> {
  const [current] = await query(client, readCurrentRole);
  const role = current!.role;
  const strangers = await findStrangers(client, role);
  if (strangers.length > 0)
    throw new RelayError(
      'MIGRATION_CONFLICT',
      `in the schema outbox, role ${role} would have to trust ${strangers.join(', ')}: run migrate as that role, or drop these, revoke them, or change their owner with ALTER ... OWNER TO ${role}`,
    );
}

const readCurrentRole = statement<{ role: string }>(
  'operations.read_current_role',
  'reading the current role',
  'select current_user::text as role',
);
