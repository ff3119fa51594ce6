/** Owns the connection itself: its session has the relay's settings, and a session that ended keeps saying why. */
import type { Socket } from 'node:net';
import pg from 'pg';
import type { PasswordSource } from './password.ts';
import { seesAllRows } from './row-security.ts';
import { noTransactionTimeout } from './session-settings.ts';

export type SessionConfig = pg.ClientConfig & {
  /** `schema.table`; of a session that reads it. */
  readonly outboxTable?: string;
  /** Asked when the server wants a password. */
  readonly passwordOf?: PasswordSource;
};

type Callback = (error: Error | null) => void;

/**
 * A connection whose session has all its settings once it is connected. After its end, every query fails with the reason:
 * the driver alone drops the last message of the server, and fails with a message of its own.
 */
export class SessionClient extends pg.Client {
  readonly #settle: pg.QueryConfig;
  #ended: Error | undefined;

  constructor(config: SessionConfig) {
    super(config);
    const { outboxTable, connectionTimeoutMillis, passwordOf } = config;
    // The driver prefers the password of a connection string, even if it has none.
    if (passwordOf !== undefined) Object.assign(this, { password: passwordOf });
    const rest = outboxTable === undefined ? [] : [seesAllRows(outboxTable)];
    // A server that no longer answers must not delay it for longer than the connection itself.
    this.#settle = {
      text: [`select ${noTransactionTimeout}`, ...rest].join(';'),
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
    try {
      await super.connect();
    } catch (error) {
      // Where no password was to be had, the driver leaves the connection open.
      (this as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream.destroy();
      throw error;
    }
    try {
      await super.query(this.#settle);
    } catch (error) {
      void this.end().catch(() => {});
      throw error;
    }
    return this;
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
