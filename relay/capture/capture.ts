/**
 * The replication stream of one slot. It delivers whole transactions in commit order, keeps no more bytes in memory than
 * allowed, and confirms to Postgres only what `acknowledge` was given. One object is one connection. After a failure it is
 * closed and another one is created: the library would resume after what it received, not after what was published.
 */

import pg from 'pg';
import type { Config } from '../config/config.ts';
import { partBytesOf, partEventsOf } from '../config/part-limits.ts';
import { maxRowBytesOf } from '../config/row-size.ts';
import { foreignClientConfig } from '../connect/postgres/client.ts';
import { postgresError, settingsLost } from '../connect/postgres/errors.ts';
import { standbyError } from '../connect/postgres/find-host.ts';
import { latePasswordOf } from '../connect/postgres/late-password.ts';
import { command } from '../connect/postgres/replication-client.ts';
import { serverStart } from '../connect/postgres/same-server.ts';
import { isSettled, noTransactionTimeout } from '../connect/postgres/session-settings.ts';
import { asRelayError, RelayError } from '../errors.ts';
import { withResolvers } from '../model/builtins.ts';
import { formatLsn, type Lsn, parseLsn } from '../model/position.ts';
import { Inbox } from './inbox.ts';
import { type StreamPlace, TransactionAssembler } from './pgoutput.ts';
import { heartbeatTable } from './publication.ts';
import {
  type ConnectReplication,
  connectReplication,
  type ReplicationService,
} from './replication-service.ts';
import { identifySystem, type SystemIdentity } from './server-identity.ts';
import { encodeStatusUpdate } from './status-update.ts';
import { unreadableStates } from './unreadable.ts';

/** The parts of the driver's connection that the stream uses; the driver exports no type for them. */
type DriverConnection = {
  readonly stream: { pause(): void; resume(): void; destroy(): void; readonly destroyed: boolean };
  sendCopyFromChunk(chunk: Buffer): void;
};

/**
 * Once a second. After a crash the relay then reads and skips at most a second of WAL again. It is well within the 1.5 s
 * after which the server asks for a reply at the least wal_sender_timeout that the settings allow (3 s).
 */
const statusIntervalMs = 1_000;

/** Of the session that streams. */
type Self = {
  readonly pid: number | string;
  readonly standby: string;
  readonly started: string;
  readonly settled: string;
};

export class Capture {
  readonly inbox: Inbox;
  readonly #config: Config;
  readonly #from: Lsn;
  readonly #service: ReplicationService;
  readonly #assembler: TransactionAssembler;
  #wire: DriverConnection | undefined;
  #system: SystemIdentity | undefined;
  #walSenderPid: number | undefined;
  #serverStart: string | undefined;
  #confirmedLsn: Lsn = 0n;
  #serverLsn: Lsn = 0n;
  #beat = 0;
  #lastReceivedMs = performance.now();
  #wasSilent = false;
  #isPaused = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #onKeepalive: (() => void) | undefined;

  private constructor(config: Config, service: ReplicationService, from: Lsn) {
    this.#config = config;
    this.#from = from;
    this.#service = service;
    this.inbox = new Inbox(config.capture.maxInFlightBytes, () => this.#resume());
    this.#assembler = new TransactionAssembler({
      outboxTable: config.outbox.table,
      columns: config.outbox.columns,
      heartbeatTable,
      slot: config.slot.name,
      // Read for each row: on a slow cluster they change.
      get maxPartRows() {
        return partEventsOf(config.publish);
      },
      get maxPartBytes() {
        return partBytesOf(config.publish);
      },
      maxRowBytes: maxRowBytesOf(config.publish),
    });
  }

  /**
   * Takes the slot and starts to stream.
   * @param from Postgres sends nothing that was committed before it. If the slot's own position is later, that one counts
   * @throws RelayError SLOT_IN_USE while another relay has it; POSTGRES_*, SLOT_*
   */
  static async open(
    config: Config,
    connect: ConnectReplication = connectReplication,
    from: Lsn = 0n,
  ): Promise<Capture> {
    const more = { wal_sender_timeout: config.capture.walSenderTimeoutMs };
    const capture = new Capture(config, connect(await foreignClientConfig(config, more)), from);
    try {
      await capture.#start();
      return capture;
    } catch (error) {
      await capture.close();
      throw error;
    }
  }

  get system(): SystemIdentity {
    if (this.#system === undefined) throw new RelayError('INTERNAL', 'the stream was not started');
    return this.#system;
  }

  /** The server process that streams to us. While the slot names it as its reader, the slot is ours. */
  get walSenderPid(): number | undefined {
    return this.#walSenderPid;
  }

  /** When the server that streams to us started; tells it from every other. */
  get serverStart(): string | undefined {
    return this.#serverStart;
  }

  /** Number of the last heartbeat that the stream delivered; 0 before the first. */
  get beat(): number {
    return this.#beat;
  }

  /** By table: rows that arrived under its name and look like events. They are not published. */
  get lookalikes(): ReadonlyMap<string, number> {
    return this.#assembler.lookalikes;
  }

  /** WAL position that the server has streamed up to, by its latest message. */
  get serverLsn(): Lsn {
    return this.#serverLsn;
  }

  /** Postgres may discard everything before `lsn`, which must be the end LSN of a committed progress. */
  acknowledge(lsn: Lsn): void {
    if (lsn > this.#confirmedLsn) this.#confirmedLsn = lsn;
  }

  /** Sends what was acknowledged. Waits until the server answers, the connection is lost, or `timeoutMs` has passed. */
  async flush(timeoutMs: number): Promise<void> {
    if (this.#wire === undefined || this.#isClosed) return;
    const answered = withResolvers<void>();
    const timer = setTimeout(answered.resolve, timeoutMs);
    this.#onKeepalive = answered.resolve;
    this.#resume();
    this.#sendStatus(true);
    await Promise.race([answered.promise, this.inbox.failed]);
    clearTimeout(timer);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    // A paused socket never ends: without this the library would wait for it without end.
    this.#wire?.stream.destroy();
    await this.#service.destroy().catch(() => {});
  }

  async #start(): Promise<void> {
    const started = withResolvers<void>();
    this.#service.on('error', (error) => this.#fail(this.#translate(error)));
    this.#service.on('start', started.resolve);
    this.#service.on('heartbeat', (lsn, _timestamp, shouldRespond) =>
      this.#keepalive(parseLsn(lsn), shouldRespond),
    );
    this.#service.subscribe(this.#plugin(), this.#config.slot.name, '0/0').then(
      () => this.#fail(new RelayError('POSTGRES_UNAVAILABLE', 'the server ended the replication stream')),
      (error: unknown) => this.#fail(this.#translate(error)),
    );
    const { capture, database } = this.#config;
    // The watchdog watches only a stream that has begun. A server that is lost before that stays silent for hours.
    const limitMs = database.connectTimeoutMs + capture.watchdogMs;
    const late = setTimeout(
      () =>
        this.#fail(new RelayError('REPLICATION_STALLED', `the stream did not begin within ${limitMs} ms`)),
      limitMs,
    );
    const failure = await Promise.race([started.promise, this.inbox.failed]);
    clearTimeout(late);
    if (failure !== undefined) throw failure;
    this.#timer = setInterval(() => this.#tick(), statusIntervalMs);
  }

  #plugin() {
    return {
      name: 'pgoutput',
      options: {},
      start: (client: pg.Client) => this.#startReplication(client),
      parse: (message: Buffer) => this.#receive(message),
    };
  }

  async #startReplication(client: pg.Client): Promise<unknown> {
    this.#wire = (client as unknown as { connection: DriverConnection }).connection;
    this.#system = await identifySystem(client);
    const readSelf = `select pg_backend_pid() as pid, pg_is_in_recovery()::text as standby, ${serverStart} as started,
      ${isSettled}::text as settled, ${noTransactionTimeout}`;
    const [own] = await command<Self>(client, readSelf);
    // From 16 on a standby streams too, and not what the primary has committed since.
    if (own?.standby === 'true') throw standbyError();
    // They also decide how Postgres prints the values that it streams.
    if (own?.settled === 'false') throw settingsLost();
    latePasswordOf(this.#config.database).accepted();
    this.#walSenderPid = Number(own?.pid);
    this.#serverStart = own?.started;
    const publication = this.#config.publication.replaceAll('"', '""').replaceAll("'", "''");
    return client.query(
      `START_REPLICATION SLOT "${this.#config.slot.name}" LOGICAL ${formatLsn(this.#from)} (proto_version '1', publication_names '"${publication}"')`,
    );
  }

  /** Runs inside the socket's data event, so nothing may escape: an error here would be an uncaught exception. */
  #receive(message: Buffer): void {
    if (this.#isClosed) return;
    this.#lastReceivedMs = performance.now();
    // Nothing counts that arrives after a message that could not be read.
    if (this.inbox.failure !== undefined) return;
    try {
      const transaction = this.#assembler.push(message);
      if (transaction === undefined) return;
      transaction.receivedMs = this.#lastReceivedMs;
      if (transaction.endLsn !== null && transaction.endLsn > this.#serverLsn)
        this.#serverLsn = transaction.endLsn;
      if (transaction.beat !== undefined) this.#beat = transaction.beat;
      this.inbox.push(transaction);
      if (this.inbox.isFull) this.#pause();
    } catch (error) {
      this.#fail(asRelayError(error));
    }
  }

  #keepalive(lsn: Lsn, shouldRespond: boolean): void {
    this.#lastReceivedMs = performance.now();
    // After a failure messages are dropped, a heartbeat perhaps among them, which would then seem to be missing.
    if (lsn > this.#serverLsn && this.inbox.failure === undefined) this.#serverLsn = lsn;
    if (shouldRespond) this.#sendStatus(false);
    this.#onKeepalive?.();
  }

  /**
   * Nothing arrives on an idle stream. So after a third of `watchdogMs` each status update asks for a reply, and a server
   * that is alive has two thirds left to send one.
   *
   * The server is silent only if it was silent at the previous tick too. Timers run before sockets: after a stall of this
   * process, the first tick sees how much time has passed, but not yet what waits in the socket.
   */
  #tick(): void {
    const silentMs = this.#isPaused ? 0 : performance.now() - this.#lastReceivedMs;
    const isSilent = silentMs > this.#config.capture.watchdogMs;
    const wasSilent = this.#wasSilent;
    this.#wasSilent = isSilent;
    if (isSilent && wasSilent)
      this.#fail(new RelayError('REPLICATION_STALLED', `nothing arrived for ${Math.round(silentMs)} ms`));
    else this.#sendStatus(silentMs > this.#config.capture.watchdogMs / 3);
  }

  #sendStatus(replyRequested: boolean): void {
    if (this.#isClosed || this.#wire === undefined || this.#wire.stream.destroyed) return;
    this.#wire.sendCopyFromChunk(encodeStatusUpdate(this.#confirmedLsn, Date.now(), replyRequested));
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#wire?.stream.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#lastReceivedMs = performance.now();
    this.#wire?.stream.resume();
  }

  #translate(error: unknown): RelayError {
    const failure = replicationError(latePasswordOf(this.#config.database).judge(error));
    return failure.code === 'ROW_UNREADABLE'
      ? unreadable(failure, this.#assembler.place, this.#serverLsn)
      : failure;
  }

  #fail(error: RelayError): void {
    if (!this.#isClosed) this.inbox.fail(error);
  }
}

/** For START_REPLICATION and the stream itself, where an SQLSTATE means something else than in a statement. */
function replicationError(error: unknown): RelayError {
  return postgresError(error, 'replication', {
    own: {
      ...unreadableStates,
      '42704': isOfPublication(error) ? 'PUBLICATION_MISSING' : 'SLOT_MISSING', // undefined_object
      '55000': 'SLOT_INVALIDATED', // object_not_in_prerequisite_state
    },
  });
}

/** With the place of the row, as precisely as known: the server fails at the row, before it sends any of it. */
function unreadable(failure: RelayError, place: StreamPlace | undefined, serverLsn: Lsn): RelayError {
  const where =
    place === undefined
      ? `in a transaction that committed after ${formatLsn(serverLsn)}`
      : `in the transaction that committed at ${formatLsn(place.commitLsn)}, after ${place.rows} of its events`;
  return new RelayError('ROW_UNREADABLE', `Postgres cannot send a row ${where}: ${failure.message}`, {
    cause: failure.cause,
    context: place === undefined ? {} : { commitLsn: formatLsn(place.commitLsn), ordinal: place.rows },
  });
}

/** By the routine of the server that raised it: the message is in the server's language, which only a superuser may set. */
function isOfPublication(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /publication/i.test(error.routine ?? '');
}
