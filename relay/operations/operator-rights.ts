/** What a role lacks of an operator's rights, so that a person learns it before an incident. Changes nothing. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { sqlStateOf, sqlStates } from '../connect/postgres/errors.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { RelayError } from '../errors.ts';
import {
  grantOf,
  identifier,
  type Right,
  rightsOfOperators,
  rightText,
  workWithout,
} from './operator-work.ts';
import { withPool } from './with-pool.ts';

export type OperatorRights = {
  readonly role: string;
  /** Of the role outbox_operator, whether or not it inherits its rights. */
  readonly isMember: boolean;
  /** Nothing that the rights are on exists. */
  readonly isNothingThere: boolean;
  /** As `select on outbox.event`; none for an operator. */
  readonly missing: readonly string[];
  /** What the role cannot do without them. */
  readonly cannot: readonly string[];
  /** What gives them to it, in the order in which to run it. */
  readonly fixes: readonly string[];
};

/** Of the role that asks. @throws RelayError POSTGRES_* */
export function readOperatorRights(config: Config): Promise<OperatorRights> {
  return withPool(config, async (pool) => (await operatorRightsOf(pool, config))!);
}

/**
 * Why Postgres denied a command of people: not what the role of the relay lacks, but that the command takes another role.
 * @param command as in `dead-letters list`
 * @returns the failure with a hint that says so; the failure itself where it is another one, or where nobody can tell
 */
export async function explainDenied(
  config: Config,
  command: string,
  failure: RelayError,
): Promise<RelayError> {
  const { code, message, cause, context } = failure;
  if (code !== 'POSTGRES_UNAUTHORIZED' || sqlStateOf(failure) !== sqlStates.insufficientPrivilege)
    return failure;
  const rights = await readOperatorRights(config).catch(() => undefined);
  if (rights === undefined || rights.missing.length === 0) return failure;
  const { role, isMember, missing, fixes } = rights;
  const hint = isMember
    ? `\`outbox-relay ${command}\` needs the rights of outbox_operator. It ran with role ${role}, which lacks ${brief(missing)}. Give it what it lacks: ${fixes.join(' ')}`
    : `\`outbox-relay ${command}\` needs the rights of outbox_operator, and it ran with role ${role}, which does not have them. Set DATABASE_URL to a role to which outbox_operator is granted, such as that of a person, or to the owner of the schema outbox. The owner grants it with: GRANT outbox_operator TO …;`;
  return new RelayError(code, message, { cause, context, hint });
}

const missingShown = 3;

const brief = (missing: readonly string[]): string =>
  missing.length <= missingShown
    ? missing.join(', ')
    : `${missing.slice(0, missingShown).join(', ')} and ${missing.length - missingShown} more`;

/** @param group of the role `outbox_operator` itself @returns undefined where there is none @throws RelayError POSTGRES_* */
export async function operatorRightsOf(
  pool: pg.Pool,
  { outbox: { table } }: Config,
  group: boolean = false,
): Promise<OperatorRights | undefined> {
  const rights = rightsOfOperators(table);
  const values = [rights.map(({ right }) => right), rights.map(({ on }) => on), group];
  const rows = await query(pool, readRights, values);
  const [first] = rows;
  if (first === undefined) return undefined;
  const lacking = rows.filter(({ isGranted }) => isGranted !== true);
  const missing = lacking.map(({ n }) => rights[Number(n) - 1]!);
  const facts = { ...first, absent: lacking.filter(({ isGranted }) => isGranted === null).length };
  const ofGroup = lacking
    .filter(({ isGranted, ofGroup }) => isGranted !== null && ofGroup === false)
    .map(({ n }) => rights[Number(n) - 1]!);
  return {
    role: first.role,
    isMember: first.isMember,
    isNothingThere: facts.absent === rights.length,
    missing: missing.map(rightText),
    cannot: workWithout(missing, table),
    fixes: missing.length === 0 ? [] : fixesFor(facts, ofGroup),
  };
}

type Facts = {
  readonly role: string;
  readonly hasGroup: boolean;
  readonly isMember: boolean;
  readonly inherits: boolean;
  /** Of the missing rights: those on what does not exist. */
  readonly absent: number;
};

/** Pure. Exported for its test. @param ofGroup rights that the role outbox_operator lacks, though there is what they are on */
export function fixesFor({ role, hasGroup, isMember, inherits, absent }: Facts, ofGroup: readonly Right[]) {
  const name = identifier(role);
  const fixes: string[] = [];
  if (absent > 0 || !hasGroup) fixes.push('run `outbox-relay migrate --roles`, as the owner');
  if (hasGroup) fixes.push(...ofGroup.map((right) => grantOf(right, 'outbox_operator')));
  if (!isMember) fixes.push(`GRANT outbox_operator TO ${name};`);
  else if (!inherits)
    fixes.push(
      `GRANT outbox_operator TO ${name} WITH INHERIT TRUE; before PostgreSQL 16: ALTER ROLE ${name} INHERIT;`,
    );
  return fixes;
}

const granted = (role: string) => `case known."right"
        when 'execute' then has_function_privilege(${role}, function, 'execute')
        when 'usage' then has_schema_privilege(${role}, known.schema, 'usage')
        else has_table_privilege(${role}, relation, known."right") end`;

type Row = Omit<Facts, 'absent'> & {
  readonly n: string;
  /** null where what it is on does not exist. */
  readonly isGranted: boolean | null;
  readonly ofGroup: boolean | null;
};

/**
 * By the catalog: a name that is looked up as one of a schema that the role may not use would be an error. Types are spelled
 * as `format_type` does.
 */
const readRights = statement<Row>(
  'operations.read_operator_rights',
  'reading the rights of the role',
  `with operators as (select oid from pg_roles where rolname = 'outbox_operator'),
        subject as (select oid, rolname from pg_roles where rolname = case when $3 then 'outbox_operator' else current_user end),
        wanted as (select n, "right", name, split_part(name, '.', 1) as schema,
                          case "right" when 'usage' then null when 'execute' then substring(name from '[.]([^(]*)')
                            else substr(name, strpos(name, '.') + 1) end as bare,
                          case "right" when 'execute'
                            then replace(substring(name from '[(](.*)[)]'), 'timestamptz', 'timestamp with time zone') end as types
                     from unnest($1::text[], $2::text[]) with ordinality as given("right", name, n)),
        known as (select wanted.n, wanted."right", n.oid as schema, c.oid as relation, p.oid as function
                    from wanted left join pg_namespace n on n.nspname = wanted.schema
                         left join pg_class c on c.relnamespace = n.oid and c.relname = wanted.bare and types is null
                           and c.relkind in ('r', 'p', 'v', 'm', 'f')
                         left join pg_proc p on p.pronamespace = n.oid and p.proname = wanted.bare and types is not null
                           and types = array_to_string(array(select format_type(t, null)
                                 from unnest(p.proargtypes) with ordinality as argument(t, i) order by i), ', '))
   select subject.rolname::text as role, known.n, ${granted('subject.oid')} as "isGranted",
          ${granted('operators.oid')} as "ofGroup", operators.oid is not null as "hasGroup",
          coalesce(pg_has_role(subject.oid, operators.oid, 'member'), false) as "isMember",
          coalesce(pg_has_role(subject.oid, operators.oid, 'usage'), false) as inherits
     from subject left join operators on true, known order by known.n`,
);
