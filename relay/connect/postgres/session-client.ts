/** Owns the connection itself: its session has the relay's settings, and a session that ended keeps saying why. */
import type { Socket } from 'node:net';
import pg from 'pg';
import type { RelayError } from '../../errors.ts';
import type { Address, Host } from './address.ts';
import { connectionError, postgresError, settingsLost } from './errors.ts';
import { findHost, standbyError } from './find-host.ts';
import type { LatePassword } from './late-password.ts';
import type { PasswordSource } from './password.ts';
import { seesAllRows } from './row-security.ts';
import { isSettled, noTransactionTimeout } from './session-settings.ts';

export type SessionConfig = pg.ClientConfig &
  Partial<Pick<Address, 'hosts' | 'wanted'>> & {
    /** `schema.table`; of a session that reads it. */
    readonly outboxTable?: string;
    /** Asked when the server wants a password. */
    readonly passwordOf?: PasswordSource;
    /** Judges a refusal of such a password. */
    readonly late?: LatePassword;
    /** Of one of several hosts, where all that each of them said becomes one message. */
    readonly isOneOfSeveral?: true;
  };

type Callback = (error: Error | null) => void;

/**
 * A connection whose session has all its settings once it is connected. After its end, every query fails with the reason:
 * the driver alone drops the last message of the server, and fails with a message of its own.
 */
export class SessionClient extends pg.Client {
  readonly #config: SessionConfig;
  readonly #settle: pg.QueryConfig;
  #ended: Error | undefined;

  constructor(config: SessionConfig) {
    super(config);
    this.#config = config;
    const { outboxTable, connectionTimeoutMillis, passwordOf } = config;
    if (passwordOf !== undefined) Object.assign(this, { password: passwordOf });
    const rest = outboxTable === undefined ? [] : [seesAllRows(outboxTable)];
    // A server that no longer answers must not delay it for longer than the connection itself.
    this.#settle = {
      text: [
        `select pg_is_in_recovery() as standby, ${isSettled} as settled, ${noTransactionTimeout}`,
        ...rest,
      ].join(';'),
      query_timeout: connectionTimeoutMillis,
    } as pg.QueryConfig;
    // The first error is the reason. That the connection is lost follows it.
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
    const { hosts = [], wanted, late } = this.#config;
    if (hosts.length > 1) this.#leadTo(await hostFor(this.#config));
    try {
      await super.connect();
    } catch (error) {
      // Where no password was to be had, the driver leaves the connection open.
      this.cut();
      throw this.#failure(late?.judge(error) ?? error);
    }
    late?.accepted();
    try {
      const settled = (await super.query(this.#settle)) as pg.QueryResult | pg.QueryResult[];
      const [first] = Array.isArray(settled) ? settled : [settled];
      if (first?.rows[0]?.settled === false) throw settingsLost();
      if (wanted === 'primary' && first?.rows[0]?.standby === true) throw standbyError();
    } catch (error) {
      void this.end().catch(() => {});
      throw this.#failure(error);
    }
    return this;
  }

  #failure(error: unknown): RelayError {
    const { host, port, database } = this;
    return this.#config.isOneOfSeveral === true
      ? postgresError(error, 'connecting')
      : connectionError(error, { host, port, database });
  }

  /** Without the goodbye of the driver, which would wait for an answer. */
  cut(): void {
    socketOf(this).destroy();
  }

  /** Before it connects: the driver reads these when it does. */
  #leadTo(host: Host): void {
    Object.assign(this, host);
    Object.assign((this as unknown as { readonly connectionParameters: Host }).connectionParameters, host);
  }

  // The driver has many forms of a query. Only the answer of a connection that has ended is ours.
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

/**
 * The host that a connection with this configuration should lead to now. What it finds may change the next moment, so the
 * session asks again.
 * @throws RelayError POSTGRES_* that says what each host said
 */
export function hostFor(config: SessionConfig): Promise<Host> {
  const { outboxTable: _, ...rest } = config;
  const { hosts = [], wanted = 'any' } = config;
  return findHost({ hosts, wanted }, async (host, signal) => {
    const client = new SessionClient({ ...rest, ...host, hosts: [host], isOneOfSeveral: true });
    client.on('error', () => {});
    const cut = () => client.cut();
    signal.addEventListener('abort', cut, { once: true });
    try {
      await client.connect();
    } catch (error) {
      throw postgresError(error, 'connecting');
    } finally {
      signal.removeEventListener('abort', cut);
    }
    void client.end().catch(() => {});
  });
}

const socketOf = (client: pg.Client) =>
  (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream;
