/**
 * The settings of every Postgres session of the relay. They win over those of the server, the database, the role, the URL
 * and the environment. Promise: no setting of others decides which functions run, which rows are visible, how values are
 * printed, or when a statement ends.
 */

export type SessionLimits = {
  /** 0 for no limit */
  readonly statementTimeoutMs: number;
  /** More settings, for this kind of session. */
  readonly more?: Readonly<Record<string, string | number>>;
};

/** Every supported version has these settings, and every role may set them. */
const settings: Readonly<Record<string, string | number>> = {
  // Postgres prefers a function of another schema whose argument types match exactly over one that needs a cast. Our own
  // functions are named with their schema. pg_temp is last, since it is otherwise searched first, for tables.
  search_path: 'pg_catalog,pg_temp',
  // Refuses a read that row-level security would filter; see row-security.ts.
  row_security: 'off',
  lock_timeout: 0,
  idle_in_transaction_session_timeout: 0,
  idle_session_timeout: 0,
  // The driver parses these, or the relay compares them as text.
  datestyle: 'ISO,MDY',
  timezone: 'UTC',
  intervalstyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: 1,
  // The driver and the relay write these.
  standard_conforming_strings: 'on',
  // Off, a null in an array arrives as the text NULL: an event without a payload would get one.
  array_nulls: 'on',
  transform_null_equals: 'off',
  quote_all_identifiers: 'off',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  // With `off`, a crash of the server loses a dead letter whose event the progress in Kafka has passed. With more than the
  // local disk, a commit may wait for a synchronous standby that is the relay itself, which confirms only after the commit.
  // ledger/standbys.ts waits for real standbys.
  synchronous_commit: 'local',
};

/** The driver sends these from the URL separately, and they would win over `options`. */
const overridable = [
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'query_timeout',
  'client_encoding',
  'replication',
];

/** `url` with all settings after its own options, or those of PGOPTIONS: the later ones win. */
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

/** The server splits options at spaces. */
function escaped(value: string | number): string {
  return String(value).replace(/[\\\s]/g, '\\$&');
}

/** Whether the settings of this session arrived. A pooler may be told to drop the options of a connection, and says nothing. */
export const isSettled = `(current_setting('search_path') = '${settings.search_path}')`;

/** The setting came with 17; an older server refuses a connection that sets it. */
export const noTransactionTimeout = `case when current_setting('transaction_timeout', true) is not null
  then set_config('transaction_timeout', '0', false) end`;
