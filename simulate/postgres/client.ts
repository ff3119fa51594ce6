/** The part of the Postgres drivers that the relay uses, on top of the model of the database. */
import pg from 'pg';
import type { ConnectReplication, ReplicationService } from '../../relay/capture/replication-service.ts';
import { postgresError } from '../../relay/connect/postgres/errors.ts';
import { statementNameIn } from '../../relay/connect/postgres/statement.ts';
import { formatLsn, type Lsn } from '../../relay/model/position.ts';
import type { Link, Network } from '../network.ts';
import type { Machine } from '../scheduler.ts';
import { type Database, Transaction } from './database.ts';
import { serverStart, statementOf } from './statements.ts';
import { describeTransaction, pgoutput } from './wal.ts';

export type ClientOptions = {
  readonly network: Network;
  readonly database: Database;
  readonly machine: Machine;
  readonly statementTimeoutMs: number;
  readonly walSenderTimeoutMs: number;
};

const reset = () => new Error('Connection terminated unexpectedly');
const refusal = () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

function serverError(code: string, message: string): Error {
  const error = new pg.DatabaseError(message, message.length, 'error');
  error.code = code;
  error.severity = 'ERROR';
  return error;
}

type Rows = { rows: Record<string, unknown>[] };

/** A session of the server. A statement that fails ends the connection; the relay uses none after a failure either. */
class Session {
  readonly link: Link;
  isIdle = true;
  readonly #options: ClientOptions;
  readonly #pending = new Set<(error: Error) => void>();
  #transaction: Transaction | undefined;
  /** Counts statements, so that a time limit knows whether another one arrived. */
  #count = 0;
  #idleTimeoutMs: number | undefined;

  constructor(options: ClientOptions, link: Link) {
    this.#options = options;
    this.link = link;
    link.onBreak = () => this.#fail(reset());
    link.onServerEnd = () => this.#end();
  }

  query(text: string, values: readonly unknown[] = []): Promise<Rows> {
    const { network, machine, statementTimeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      if (!this.link.isOpen) return reject(reset());
      this.#pending.add(reject);
      // Like `query_timeout` of the driver.
      const timer = network.scheduler.after(
        statementTimeoutMs + 5_000,
        () => this.#pending.delete(reject) && reject(new Error('Query read timeout')),
        machine,
      );
      this.link.request<Rows | Error>(
        'Query',
        statementNameIn(text) ?? text,
        (answer) => this.#serve(text, values, answer),
        (answer) => {
          timer.isCancelled = true;
          if (!this.#pending.delete(reject)) return;
          if (answer instanceof Error) reject(answer);
          else resolve(answer);
        },
      );
    });
  }

  #serve(text: string, values: readonly unknown[], answer: (value: Rows | Error) => void): void {
    this.#count += 1;
    const name = statementNameIn(text);
    if (name === undefined) throw new Error(`the model does not know a statement without a name: ${text}`);
    if (name === 'transaction.begin') {
      this.#transaction = new Transaction();
      const limit = /idle_in_transaction_session_timeout = (\d+)/.exec(text);
      this.#idleTimeoutMs = limit === null ? undefined : Number(limit[1]);
      this.#watchIdle();
      answer({ rows: [] });
      return;
    }
    if (name === 'transaction.commit') {
      for (const act of this.#transaction?.atCommit ?? []) act();
      this.#transaction = undefined;
      this.#options.database.locks.release(this);
      answer({ rows: [] });
      return;
    }
    this.#run(name, values, answer);
  }

  #run(name: string, values: readonly unknown[], answer: (value: Rows | Error) => void): void {
    const { database, network, statementTimeoutMs } = this.#options;
    const { lock, run } = statementOf(name);
    const owner = this.#transaction === undefined ? {} : this;
    let isDone = false;
    const execute = () => {
      isDone = true;
      const transaction = this.#transaction ?? new Transaction();
      answer({ rows: run(database, values, transaction) });
      this.#watchIdle();
      if (owner === this) return;
      for (const act of transaction.atCommit) act();
      database.locks.release(owner);
    };
    if (lock === undefined) execute();
    else database.locks.take(lock[0], owner, lock[1], execute);
    if (isDone) return;
    network.scheduler.after(statementTimeoutMs, () => {
      if (isDone) return;
      network.faults.count('statement timed out waiting for a lock');
      database.locks.release(owner);
      answer(serverError('57014', 'canceling statement due to statement timeout'));
    });
  }

  #watchIdle(): void {
    const count = this.#count;
    if (this.#transaction === undefined || this.#idleTimeoutMs === undefined) return;
    this.#options.network.scheduler.after(this.#idleTimeoutMs, () => {
      if (this.#transaction === undefined || this.#count !== count) return;
      this.#options.network.faults.count('idle transaction ended by the server');
      this.link.breakAtServer('idle in transaction');
    });
  }

  #fail(error: Error): void {
    for (const reject of this.#pending) reject(error);
    this.#pending.clear();
  }

  /** The server rolls back what is open when it learns that the client is gone. */
  #end(): void {
    for (const undo of (this.#transaction?.undo ?? []).reverse()) undo();
    this.#transaction = undefined;
    this.#options.database.locks.release(this);
  }
}

class ModelPool {
  readonly #options: ClientOptions;
  readonly #sessions = new Set<Session>();

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  on(): void {}

  async query(text: string, values?: readonly unknown[]): Promise<Rows> {
    const session = await this.#session();
    try {
      const rows = await session.query(text, values);
      session.isIdle = true;
      return rows;
    } catch (error) {
      this.#close(session);
      throw error;
    }
  }

  async connect() {
    const session = await this.#session();
    return {
      query: (text: string, values?: readonly unknown[]) => session.query(text, values),
      release: (error?: Error) => {
        if (error === undefined) session.isIdle = true;
        else this.#close(session);
      },
    };
  }

  async end(): Promise<void> {
    for (const session of this.#sessions) session.link.close();
  }

  async #session(): Promise<Session> {
    for (const session of this.#sessions) {
      if (!session.link.isOpen) this.#sessions.delete(session);
      else if (session.isIdle) {
        session.isIdle = false;
        return session;
      }
    }
    const { network, machine, database } = this.#options;
    const session = new Session(this.#options, await network.connect(machine, database.server, refusal));
    session.isIdle = false;
    this.#sessions.add(session);
    return session;
  }

  #close(session: Session): void {
    session.link.close();
    this.#sessions.delete(session);
  }
}

export function modelPool(options: ClientOptions): pg.Pool {
  return new ModelPool(options) as unknown as pg.Pool;
}

/** On a connection of its own, like relay/capture/slot.ts. */
export async function modelCreateSlot(options: ClientOptions, name: string): Promise<Lsn | undefined> {
  const { network, machine, database } = options;
  try {
    const link = await network.connect(machine, database.server, refusal);
    const made = await new Promise<Lsn | undefined>((resolve, reject) => {
      link.onBreak = () => reject(reset());
      const serve = (answer: (value: Lsn | undefined) => void) => {
        const isThere = database.slot !== undefined;
        if (!isThere) database.createSlot(name);
        answer(isThere ? undefined : database.slot?.confirmedLsn);
      };
      link.request('CreateSlot', 'create the slot', serve, resolve);
      network.scheduler.after(30_000, () => reject(reset()), machine);
    });
    link.close();
    return made;
  } catch (error) {
    throw postgresError(error, 'creating the replication slot');
  }
}

/** How many transactions may be on their way to one client. */
const windowTransactions = 4;

type Listener = (...values: never[]) => void;

/** The service of the library, and the walsender that serves it. */
class ModelReplication {
  readonly pid: number;
  readonly #options: ClientOptions;
  readonly #listeners = new Map<string, Listener>();
  readonly #described = new Set<number>();
  readonly #held: (() => void)[] = [];
  #link: Link | undefined;
  #ended: ((error: Error | undefined) => void) | undefined;
  #isClosed = false;
  // Of the client.
  #isPaused = false;
  // Of the walsender.
  #next = 0;
  #underWay = 0;
  #sentLsn: Lsn = 0n;
  #heardMs = 0;
  #isSending = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.pid = options.database.nextPid();
  }

  on(event: string, listener: Listener): this {
    this.#listeners.set(event, listener);
    return this;
  }

  async subscribe(plugin: {
    start: (client: unknown) => Promise<unknown>;
    parse: (message: Buffer) => unknown;
  }): Promise<void> {
    const { network, machine, database } = this.#options;
    const link = await network.connect(machine, database.server, refusal);
    this.#link = link;
    if (this.#isClosed) return link.close();
    link.onBreak = () => {
      this.#emit('error', reset());
      this.#ended?.(reset());
    };
    link.onServerEnd = () => this.#endSender();
    await plugin.start({
      connection: this.#wire,
      query: (text: string) => this.#query(text, plugin.parse),
    });
  }

  async destroy(): Promise<void> {
    this.#isClosed = true;
    this.#link?.close();
    this.#listeners.clear();
  }

  readonly #wire = {
    stream: {
      pause: () => {
        this.#isPaused = true;
      },
      resume: () => this.#resume(),
      destroy: () => {
        this.#wire.stream.destroyed = true;
        this.#link?.close();
      },
      destroyed: false,
    },
    sendCopyFromChunk: (chunk: Buffer) => {
      const status = { lsn: chunk.readBigUInt64BE(9), wantsReply: chunk[33] === 1 };
      this.#link?.toServer(() => this.#heard(status));
    },
  };

  #query(text: string, parse: (message: Buffer) => unknown): Promise<unknown> {
    const { database } = this.#options;
    if (text === 'IDENTIFY_SYSTEM')
      return this.#ask(text, () => ({
        rows: [{ systemid: database.systemIdentifier, timeline: database.timeline }],
      }));
    if (text.includes('pg_backend_pid'))
      return this.#ask(text, () => ({
        rows: [{ pid: this.pid, started: serverStart }],
      }));
    if (!text.startsWith('START_REPLICATION'))
      throw new Error(`the model does not know this command: ${text}`);
    return this.#start(text, parse);
  }

  #ask<T>(what: string, serve: () => T | Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const { network, machine } = this.#options;
      this.#ended = (error) => reject(error ?? reset());
      network.scheduler.after(10_000, () => reject(reset()), machine);
      this.#link?.request<T | Error>(
        'Replication',
        what.slice(0, 40),
        (answer) => answer(serve()),
        (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)),
      );
    });
  }

  /** Resolves when the stream ends. */
  async #start(text: string, parse: (message: Buffer) => unknown): Promise<void> {
    await this.#ask(text, () => this.#acquire(parse));
    this.#emit('start');
    await new Promise<void>((resolve, reject) => {
      this.#ended = (error) => (error === undefined ? resolve() : reject(error));
    });
  }

  #acquire(parse: (message: Buffer) => unknown): null | Error {
    const { database, network, machine } = this.#options;
    const { slot } = database;
    if (slot === undefined) return serverError('42704', 'replication slot does not exist');
    if (slot.reader !== undefined) return serverError('55006', 'replication slot is active');
    slot.reader = this;
    this.#heardMs = network.scheduler.nowMs;
    this.#sentLsn = slot.confirmedLsn;
    // The server skips a transaction if and only if its commit record is before the position.
    const from = slot.confirmedLsn;
    this.#next = database.wal.findIndex(({ commitLsn }) => commitLsn >= from);
    if (this.#next < 0) this.#next = database.wal.length;
    network.trace('Postgres', `streams to ${machine.name} from ${formatLsn(from)}`);
    this.#isSending = true;
    const tell = () => this.#send(parse);
    this.#wake = tell;
    database.onWal.add(tell);
    this.#watchClient();
    tell();
    return null;
  }

  #wake: () => void = () => {};

  /** A few transactions at a time: sockets have limited buffers. */
  #send(parse: (message: Buffer) => unknown): void {
    const { database, network } = this.#options;
    while (this.#isSending && this.#underWay < windowTransactions && this.#next < database.wal.length) {
      const transaction = database.wal[this.#next]!;
      this.#next += 1;
      this.#underWay += 1;
      this.#sentLsn = transaction.endLsn;
      network.trace('Postgres', `sends ${describeTransaction(transaction)}`);
      const messages = [...pgoutput(transaction, this.#described)];
      // A large one arrives in pieces.
      for (let at = 0; at < messages.length; at += 5)
        this.#toClient(() => {
          for (const message of messages.slice(at, at + 5)) parse(message);
        });
      this.#toClient(() => {
        this.#underWay -= 1;
        this.#wake();
      });
    }
    if (this.#underWay === 0 && this.#sentLsn < database.walLsn) this.#keepalive(false);
  }

  #toClient(run: () => void): void {
    this.#link?.toClient(() => {
      if (this.#isPaused || this.#held.length > 0) this.#held.push(run);
      else run();
    });
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    const { network, machine } = this.#options;
    const next = () => {
      if (this.#isPaused || this.#isClosed) return;
      this.#held.shift()?.();
      if (this.#held.length > 0) network.scheduler.after(0.01, next, machine);
    };
    network.scheduler.after(0.01, next, machine);
  }

  #keepalive(wantsReply: boolean): void {
    const { database } = this.#options;
    if (this.#next >= database.wal.length) this.#sentLsn = database.walLsn;
    const lsn = formatLsn(this.#sentLsn);
    this.#toClient(() => this.#emit('heartbeat', lsn, 0, wantsReply));
  }

  #heard({ lsn, wantsReply }: { lsn: Lsn; wantsReply: boolean }): void {
    if (!this.#isSending) return;
    this.#heardMs = this.#options.network.scheduler.nowMs;
    if (lsn > 0n) this.#options.database.confirm(lsn);
    if (wantsReply) this.#keepalive(false);
  }

  /** Like wal_sender_timeout: asks for a reply at half of the time, and ends the session when all of it has passed. */
  #watchClient(): void {
    const { network, walSenderTimeoutMs } = this.#options;
    if (!this.#isSending) return;
    const silentMs = network.scheduler.nowMs - this.#heardMs;
    if (silentMs >= walSenderTimeoutMs) {
      network.faults.count('walsender ended by its time limit');
      this.terminate('wal_sender_timeout');
      return;
    }
    if (silentMs >= walSenderTimeoutMs / 2) this.#keepalive(true);
    network.scheduler.after(walSenderTimeoutMs / 2 + 1, () => this.#watchClient());
  }

  terminate(why: string): void {
    this.#link?.breakAtServer(why);
  }

  #endSender(): void {
    const { database, network, machine } = this.#options;
    this.#isSending = false;
    database.onWal.delete(this.#wake);
    if (database.slot?.reader !== this) return;
    database.slot.reader = undefined;
    network.trace('Postgres', `the slot is free; ${machine.name} held it`);
  }

  #emit(event: string, ...values: unknown[]): void {
    (this.#listeners.get(event) as ((...values: unknown[]) => void) | undefined)?.(...values);
  }
}

export type { ModelReplication };

export function modelReplication(
  options: ClientOptions,
  onMade: (replication: ModelReplication) => void = () => {},
): ConnectReplication {
  return () => {
    const replication = new ModelReplication(options);
    onMade(replication);
    return replication as unknown as ReplicationService;
  };
}
