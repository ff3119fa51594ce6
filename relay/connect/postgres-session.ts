/**
 * What every Postgres session of the product is like, whatever the server, the database, the role, the URL or the
 * environment set otherwise. Promise: no setting of others decides which functions run, which rows are seen, how values
 * are printed, or when a statement ends.
 */
import pg from 'pg';

export type SessionLimits = {
  /** 0 for no limit */
  readonly statementTimeoutMs: number;
  /** More settings of the server, for this kind of session. */
  readonly more?: Readonly<Record<string, string | number>>;
};

/** Settings that every version we support knows, and every role may set. */
const settings: Readonly<Record<string, string | number>> = {
  // A function in another schema whose argument types fit exactly would be taken instead of one that needs a cast. All of
  // ours are named with their schema. pg_temp last: it would otherwise be searched first, for tables.
  search_path: 'pg_catalog,pg_temp',
  // Refuses a read that row-level security would filter; see `seesAllRows`.
  row_security: 'off',
  lock_timeout: 0,
  idle_in_transaction_session_timeout: 0,
  idle_session_timeout: 0,
  // What the driver parses and what we compare as text.
  datestyle: 'ISO,MDY',
  timezone: 'UTC',
  intervalstyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: 1,
  // What the driver and we write.
  standard_conforming_strings: 'on',
  // Off, a null in an array arrives as the text NULL: an event without a payload would get one.
  array_nulls: 'on',
  transform_null_equals: 'off',
  quote_all_identifiers: 'off',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  // Off, a crash of the server loses a dead letter whose event Kafka's progress has passed. More than the local disk, and a
  // commit may wait for a synchronous standby that is the relay itself, which confirms only after it.
  // Where a real one is to have it too: settle/standbys.ts.
  synchronous_commit: 'local',
};

/** The driver sends these from the URL apart from `options`, and the server would let them win. */
const overridable = [
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'query_timeout',
  'client_encoding',
  'replication',
];

/** `url` with all of them, behind the options that it (or PGOPTIONS) has itself, of which the later wins. */
export function withSession(url: string, { statementTimeoutMs, more }: SessionLimits): string {
  const parsed = new URL(url);
  const { searchParams } = parsed;
  for (const name of overridable) searchParams.delete(name);
  const given = searchParams.get('options') ?? process.env.PGOPTIONS;
  const ours = Object.entries({ ...settings, statement_timeout: statementTimeoutMs, ...more });
  const options = ours.map(([name, value]) => `-c ${name}=${escaped(value)}`);
  searchParams.set('options', [...(given ? [given] : []), ...options].join(' '));
  return parsed.href;
}

/** The server splits options at blanks. */
function escaped(value: string | number): string {
  return String(value).replace(/[\\\s]/g, '\\$&');
}

/** Came with 17; an older server refuses a connection that sets it. */
export const noTransactionTimeout = `case when current_setting('transaction_timeout', true) is not null
  then set_config('transaction_timeout', '0', false) end`;

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
const seesAllRows = (outboxTable: string) =>
  `select set_config('row_security', 'on', false) from (${rowSecurity(outboxTable)}) as of_tables having bool_and(shown)`;

export type SessionConfig = pg.ClientConfig & {
  /** `schema.table`; of a session that reads it. */
  readonly outboxTable?: string;
};

type Callback = (error: Error | null) => void;

/**
 * A connection whose session has all its settings once it is connected, and that goes on saying why it ended: the driver
 * keeps what the server said last for nobody, and fails every later query with words of its own.
 */
export class SessionClient extends pg.Client {
  readonly #settle: pg.QueryConfig;
  #ended: Error | undefined;

  constructor(config: SessionConfig) {
    super(config);
    const { outboxTable, connectionTimeoutMillis } = config;
    const rest = outboxTable === undefined ? [] : [seesAllRows(outboxTable)];
    // A server that answers no more must not hold it up for longer than the connection itself.
    this.#settle = {
      text: [`select ${noTransactionTimeout}`, ...rest].join(';'),
      query_timeout: connectionTimeoutMillis,
    } as pg.QueryConfig;
    // The first is the reason; that the connection is gone comes after it.
    this.on('error', (error) => {
      this.#ended ??= error;
    });
  }

  override connect(): Promise<pg.Client>;
  override connect(callback: Callback): void;
  override connect(callback?: Callback): Promise<pg.Client> | undefined {
    const connected = this.#connect();
    if (callback === undefined) return connected;
    connected.then(() => callback(null), callback);
    return undefined;
  }

  async #connect(): Promise<pg.Client> {
    await super.connect();
    try {
      await super.query(this.#settle);
    } catch (error) {
      void this.end().catch(() => {});
      throw error;
    }
    return this;
  }

  // The driver's own forms of a query, which are many; only what a connection that has ended says is ours.
  override query = ((...given: unknown[]): unknown => {
    const ended = this.#ended;
    const query = super.query as (...given: unknown[]) => unknown;
    if (ended === undefined) return query.apply(this, given);
    const callback = given.at(-1);
    if (typeof callback !== 'function') return Promise.reject(ended);
    process.nextTick(() => callback(ended));
    return undefined;
  }) as pg.Client['query'];
}
