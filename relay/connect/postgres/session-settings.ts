/**
 * What every Postgres session of the product is like, whatever the server, the database, the role, the URL or the
 * environment set otherwise. Promise: no setting of others decides which functions run, which rows are seen, how values
 * are printed, or when a statement ends.
 */

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
  // Refuses a read that row-level security would filter; see row-security.ts.
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
  // Where a real one is to have it too: ledger/standbys.ts.
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
