/**
 * Whether what is written to the outbox table reaches the stream, and as what. Promise: no row is passed over in silence.
 * A column can be in the table and not in the publication, and a row can be in the table and come under another name, or
 * never; so this asks what is streamed, not what is there.
 */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { quoteTable } from '../connect/postgres/quoting.ts';
import { query, statement } from '../connect/postgres/statement.ts';
import { type ErrorCode, RelayError } from '../errors.ts';
import type { OutboxRow } from './transaction.ts';

export type Column = {
  readonly name: string;
  /** Name in the catalogue, of the type beneath a domain. */
  readonly type: string;
  /** `typcategory` of it. */
  readonly category: string;
  readonly isGenerated: boolean;
  readonly isPublished: boolean;
};

export type TableFacts = {
  /** As in pg_class: r an ordinary table, p a partitioned one. */
  readonly kind: string;
  /** As in pg_class: p permanent, u unlogged, t temporary. */
  readonly persistence: string;
  /** Tables that inherit from it and are no partitions. */
  readonly children: readonly string[];
  /** Partitions of which no row is in the WAL: unlogged, or of another server. */
  readonly silentPartitions: readonly string[];
  /** Whether a trigger looks at each row before an UPDATE. */
  readonly isGuarded: boolean;
  readonly columns: readonly Column[];
  /** `server_encoding`. */
  readonly encoding: string;
};

export type TableFinding = {
  /**
   * - `refuse`: events would be missing, or all be refused.
   * - `absent`: a mapped column is not there now. Rows from before it was renamed may wait, which only its old name reads;
   *   so a relay that has streamed goes on until the stream brings a row without it.
   * - `warn`: it works, and may hurt.
   */
  readonly severity: 'refuse' | 'absent' | 'warn';
  readonly code: ErrorCode;
  readonly message: string;
  readonly fix: string;
};

/** @throws RelayError OUTBOX_TABLE_INVALID where there is no such table; POSTGRES_* */
export async function examineOutbox(pool: pg.Pool, config: Config): Promise<TableFinding[]> {
  const { table } = config.outbox;
  const [facts] = await query(pool, readFacts, [quoteTable(table), config.publication, table]);
  if (facts === undefined) throw new RelayError('OUTBOX_TABLE_INVALID', `table ${table} does not exist`);
  return judgeOutbox(facts, config);
}

/** @throws RelayError for the first finding that is refused, or where nothing was streamed yet for a column that is absent */
export function assertStreamable(findings: readonly TableFinding[], isFirstStart: boolean): void {
  const refused = findings.find(
    ({ severity }) => severity === 'refuse' || (severity === 'absent' && isFirstStart),
  );
  if (refused !== undefined) throw new RelayError(refused.code, `${refused.message}: ${refused.fix}`);
}

/**
 * `attnames` came with 15. Before 18 pgoutput leaves out every generated column, whatever the view says; from then on the
 * view knows.
 */
const readFacts = statement<TableFacts>(
  'capture.examine_outbox_table',
  'examining the outbox table',
  `
    with recursive outbox as (
      select c.oid, c.relkind, c.relpersistence from pg_class c where c.oid = to_regclass($1)
    ), published as (
      select to_jsonb(t) -> 'attnames' as names from pg_publication_tables t
       where pubname = $2 and schemaname || '.' || tablename = $3 limit 1
    ), attribute as (
      select a.attnum, a.attname::text as name, a.atttypid, a.attgenerated <> '' as is_generated
        from pg_attribute a where a.attrelid = (select oid from outbox) and a.attnum > 0 and not a.attisdropped
    ), beneath as (
      select attnum, atttypid as type from attribute
      union all
      select b.attnum, t.typbasetype from beneath b join pg_type t on t.oid = b.type where t.typtype = 'd'
    ), column_type as (
      select b.attnum, t.typname::text as type, t.typcategory::text as category
        from beneath b join pg_type t on t.oid = b.type where t.typtype <> 'd'
    )
    select current_setting('server_encoding') as encoding, o.relkind::text as kind, o.relpersistence::text as persistence,
           array(select n.nspname || '.' || p.relname from pg_inherits i
                   join pg_class p on p.oid = i.inhrelid join pg_namespace n on n.oid = p.relnamespace
                  where i.inhparent = o.oid and o.relkind <> 'p' order by 1) as children,
           array(select n.nspname || '.' || p.relname from pg_partition_tree(o.oid) t
                   join pg_class p on p.oid = t.relid join pg_namespace n on n.oid = p.relnamespace
                  where t.isleaf and o.relkind = 'p' and (p.relpersistence <> 'p' or p.relkind = 'f')
                  order by 1) as "silentPartitions",
           exists (select from pg_trigger g
                    where g.tgrelid = o.oid and g.tgenabled in ('O', 'A') and g.tgtype & 19 = 19) as "isGuarded",
           (select json_agg(json_build_object(
                     'name', a.name, 'type', c.type, 'category', c.category, 'isGenerated', a.is_generated,
                     'isPublished', coalesce((select names ? a.name from published), true)
                       and not (a.is_generated and current_setting('server_version_num')::int < 180000)) order by a.attnum)
              from attribute a join column_type c on c.attnum = a.attnum) as columns
      from outbox o`,
);

function judgeOutbox(facts: TableFacts, { outbox, publication }: Config): TableFinding[] {
  const mapped = (Object.entries(outbox.columns) as [keyof OutboxRow, string][]).filter(
    ([, name]) => name !== '',
  );
  const ofColumns = mapped.flatMap(([role, name]): TableFinding[] => {
    const column = facts.columns.find((candidate) => candidate.name === name);
    if (column === undefined) return [absent(outbox.table, role, name)];
    if (!column.isPublished) return [unpublished(publication, outbox.table, column)];
    return judgeType(role, column, outbox.table);
  });
  return [...judgeTable(facts, outbox.table), ...ofColumns, ...judgeEncoding(facts)];
}

/** Every other encoding is converted, and what cannot be is refused by the server when it is written. */
function judgeEncoding({ encoding }: TableFacts): TableFinding[] {
  if (encoding !== 'SQL_ASCII') return [];
  return [
    {
      severity: 'warn',
      code: 'ROW_UNREADABLE',
      message:
        'the encoding of the database is SQL_ASCII, so it takes text that is not UTF-8, and a row with such text stops the stream until `recover --skip-unreadable` passes it over',
      fix: 'move to a database with encoding UTF8; until then have every writer send UTF-8',
    },
  ];
}

function judgeTable(facts: TableFacts, table: string): TableFinding[] {
  const { kind, persistence, children, silentPartitions, isGuarded } = facts;
  const refuse = (message: string, fix: string): TableFinding => ({
    severity: 'refuse',
    code: 'OUTBOX_TABLE_INVALID',
    message,
    fix,
  });
  if (kind !== 'r' && kind !== 'p')
    return [refuse(`${table} is not a table`, 'name the table itself in outbox.table')];
  if (persistence !== 'p')
    return [
      refuse(
        `${table} is ${persistence === 'u' ? 'unlogged' : 'temporary'}, and its rows are not in the WAL`,
        `ALTER TABLE ${table} SET LOGGED`,
      ),
    ];
  if (children.length > 0)
    return [
      refuse(
        `tables inherit from ${table} (${some(children)}), and Postgres streams their rows under their own names`,
        'use a plain table, or one that is partitioned (PARTITION BY) with publish_via_partition_root = true',
      ),
    ];
  if (silentPartitions.length > 0)
    return [
      refuse(
        `partitions of ${table} are unlogged or foreign (${some(silentPartitions)}), and their rows are not streamed`,
        'ALTER TABLE … SET LOGGED, or detach them',
      ),
    ];
  if (kind !== 'p' || isGuarded) return [];
  return [
    {
      severity: 'warn',
      code: 'OUTBOX_TABLE_INVALID',
      message: `nothing keeps an UPDATE from moving a row of ${table} to another partition, which would publish the event a second time`,
      fix: `CREATE TRIGGER refuse_update BEFORE UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION outbox.refuse_update();`,
    },
  ];
}

function absent(table: string, role: string, name: string): TableFinding {
  return {
    severity: 'absent',
    code: 'OUTBOX_TABLE_INVALID',
    message: `${table} has no column ${name} for outbox.columns.${role}`,
    fix:
      role === 'headers' || role === 'createdAt'
        ? `set outbox.columns.${role}: '' if the table has no such column, or correct outbox.columns`
        : 'correct outbox.columns',
  };
}

function unpublished(publication: string, table: string, { name, isGenerated }: Column): TableFinding {
  const why = isGenerated ? 'generated' : 'column list';
  const fix = isGenerated
    ? 'make it an ordinary column, or from Postgres 18 on, where it is stored, publish generated columns'
    : 'add it to the list, or publish the table without one';
  return {
    severity: 'refuse',
    code: 'PUBLICATION_INCOMPLETE',
    message: `publication ${publication} does not publish column ${name} of ${table} (${why})`,
    fix,
  };
}

const jsonTypes: ReadonlySet<string> = new Set(['json', 'jsonb']);
/** Whose text is JSON. */
const numberTypes: ReadonlySet<string> = new Set(['int2', 'int4', 'int8', 'numeric', 'float4', 'float8']);

function judgeType(role: keyof OutboxRow, column: Column, table: string): TableFinding[] {
  const { type, category, name } = column;
  const finding = (severity: 'refuse' | 'warn', why: string, fix: string): TableFinding[] => [
    {
      severity,
      code: 'OUTBOX_TABLE_INVALID',
      message: `column ${name} of ${table} is of type ${typeName(type)}, ${why}`,
      fix,
    },
  ];
  const isText = category === 'S';
  switch (role) {
    case 'payload':
    case 'headers': {
      const isNumber = role === 'payload' && numberTypes.has(type);
      if (jsonTypes.has(type) || isNumber) return [];
      if (isText && type !== 'bpchar') return [];
      if (type === 'bpchar')
        return finding('warn', 'which pads every value with blanks', 'use json, jsonb or text');
      const why = type === 'oid' ? 'the number of a large object and not JSON' : 'whose text is not JSON';
      return finding('refuse', why, 'use json, jsonb or text');
    }
    case 'createdAt':
      if (type === 'timestamptz') return [];
      if (type === 'timestamp')
        return finding(
          'warn',
          'which says nothing of its time zone: the times of `verify` and `recover` are off by the zone of who wrote it',
          'use timestamptz',
        );
      return finding(
        'refuse',
        'and no time',
        `use timestamptz, or set outbox.columns.createdAt to '' where the table has no such column`,
      );
    case 'aggregatetype':
    case 'type':
      if (type === 'bpchar')
        return finding(
          'refuse',
          'which pads every value with blanks, and no topic or schema has these',
          'use text',
        );
      if (type === 'bytea') return finding('refuse', 'whose text is hexadecimal', 'use text');
      return [];
    default:
      if (type === 'bpchar') return finding('warn', 'which pads every value with blanks', 'use text');
      if (type === 'bytea') return finding('warn', 'whose text is hexadecimal', 'use text or uuid');
      return [];
  }
}

/** As people write it. */
const typeName = (type: string): string =>
  ({ bpchar: 'char(n)', timestamp: 'timestamp without time zone', int8: 'bigint', int4: 'integer' })[type] ??
  type;

const some = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
