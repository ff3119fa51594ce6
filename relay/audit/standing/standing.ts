/**
 * Runs the standing audit: a window (`window.ts`) from where the last run ended to the present progress. If what is known no longer fits the servers, the audit starts again and says why.
 */
import type { Admin, Kafka } from 'kafkajs';
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { connectAdmin } from '../../connect/kafka.ts';
import { openClient } from '../../connect/postgres/client.ts';
import { rollBack } from '../../connect/postgres/transaction.ts';
import { asRelayError, RelayError } from '../../errors.ts';
import type { AuditState } from './audit-state.ts';
import { beginNow } from './begin-now.ts';
import { Pace } from './pace.ts';
import { type Home, readHome } from './read-window.ts';
import { type AskedStart, forgetFindings, startAudit } from './start.ts';
import {
  type AuditRow,
  hasUnjudgedRows,
  loadAudit,
  noteFailure,
  noteHeldBack,
  openMissing,
  storeWindow,
} from './store.ts';
import { auditWindow, type WindowResult } from './window.ts';
import type { WindowMeans } from './window-means.ts';

export type { AskedStart } from './start.ts';

export type RunOptions = {
  readonly config: Config;
  readonly kafka: Kafka;
  /** How long the progress may take to reach a snapshot, in ms. */
  readonly waitMs: number;
  /** Rows and records a second; 0: no limit. */
  readonly perSecondMax: number;
  /**
   * Verify a second window after the first, which is short: by then the transactions of records that the first one left
   * open have ended.
   */
  readonly closes: boolean;
  /** Forget what was found: start with the first row, with what is committed from now on, or where the audit is. */
  readonly start?: AskedStart | undefined;
  /** It has begun as `start` asks; a run that is held back has not. */
  readonly onStarted?: (() => void) | undefined;
  readonly signal: AbortSignal;
  readonly onDone?: (events: number, records: number) => void;
};

/** For scans of the whole table; `database.statementTimeoutMs` is meant for bookkeeping. */
const scanTimeoutMs = 600_000;

/** What is known after the run. @throws RelayError POSTGRES_*, KAFKA_*, REGISTRY_*, AUDIT_*, PROGRESS_UNREADABLE */
export async function runAudit(options: RunOptions): Promise<AuditRow> {
  const { config, kafka } = options;
  const slot = config.slot.name;
  const admin = kafka.admin();
  const now = await openClient(config, 'outbox-relay audit', scanTimeoutMs);
  let client: pg.Client | undefined;
  try {
    client = await openClient(config, 'outbox-relay audit', scanTimeoutMs);
    await connectAdmin(admin);
    await new Run(options, { admin, client, now }).windows();
    return (await loadAudit(now, slot))!.row;
  } catch (error) {
    const failure = asRelayError(error);
    // What failed may be a transaction.
    await rollBack(now);
    if (!options.signal.aborted)
      await noteFailure(now, slot, `${failure.code}: ${failure.message}`).catch(() => {});
    throw failure;
  } finally {
    await Promise.allSettled([admin.disconnect(), now.end(), client?.end()]);
  }
}

type Servers = { readonly admin: Admin; readonly client: pg.Client; readonly now: pg.Client };

class Run {
  readonly #options: RunOptions;
  readonly #servers: Servers;
  readonly #slot: string;

  constructor(options: RunOptions, servers: Servers) {
    this.#options = options;
    this.#servers = servers;
    this.#slot = options.config.slot.name;
  }

  async windows(): Promise<void> {
    const { now } = this.#servers;
    const { config, signal, closes } = this.#options;
    const home = await readHome(now, config);
    const means = this.#means(home);
    if (!(await this.#prepare(home, means))) return;
    for (let count = closes ? 2 : 1; count > 0 && !signal.aborted; count--) {
      const { row, state } = (await loadAudit(now, this.#slot))!;
      const beganMs = performance.now();
      const result = await auditWindow(means, state);
      if (result.verdict !== 'verified') {
        await this.#stopAt(result, home, means);
        return;
      }
      const tookMs = Math.round(performance.now() - beganMs);
      await storeWindow(now, this.#slot, { ...result, before: state, startedAt: row.startedAt, tookMs });
      if (result.state.open.length === 0) return;
    }
  }

  #means(home: Home): WindowMeans {
    const { config, kafka, waitMs, perSecondMax, signal, onDone } = this.#options;
    return {
      ...this.#servers,
      config,
      kafka,
      waitMs,
      systemIdentifier: home.systemIdentifier,
      pace: new Pace(perSecondMax, signal),
      openMissing: (ids) => openMissing(this.#servers.now, this.#slot, ids),
      hasUnjudgedRows: () => hasUnjudgedRows(this.#servers.now, this.#slot),
      ...(onDone === undefined ? {} : { onDone }),
    };
  }

  /** @returns whether there is something to verify now */
  async #prepare(home: Home, means: WindowMeans): Promise<boolean> {
    const { start: asked } = this.#options;
    const known = await loadAudit(this.#servers.now, this.#slot);
    const difference = known === undefined ? undefined : differenceOf(known.row, home);
    if (asked?.from === 'first' || (known === undefined && asked?.from !== 'now')) {
      const because = known === undefined ? 'first run' : 'asked to start with the first row';
      await startAudit(this.#servers.now, { slot: this.#slot, home, because, begun: undefined, asked });
      if (asked !== undefined) this.#options.onStarted?.();
      return true;
    }
    const because =
      difference ?? (known?.isReadable === false ? 'another release kept its state' : undefined);
    if (asked?.from === 'here' && because === undefined) {
      await forgetFindings(this.#servers.now, this.#slot, asked);
      this.#options.onStarted?.();
      return true;
    }
    if (asked?.from === 'now') {
      const earlier = difference === undefined ? known?.state : undefined;
      await this.#startNow('asked to start now', { home, means, earlier, asked });
      return false;
    }
    if (because === undefined) return true;
    await this.#startNow(because, { home, means });
    return false;
  }

  async #stopAt(result: Exclude<WindowResult, { verdict: 'verified' }>, home: Home, means: WindowMeans) {
    if (this.#options.signal.aborted) return;
    if (result.verdict === 'held back') await noteHeldBack(this.#servers.now, this.#slot, result.why);
    else await this.#startNow(result.why, { home, means });
  }

  /** @param from what to begin with; `earlier`: the state of an audit whose results stay true, unless something was lost */
  async #startNow(because: string, { home, means, earlier, asked }: StartingNow): Promise<void> {
    const begun = await beginNow(means, earlier);
    if ('state' in begun) {
      await startAudit(this.#servers.now, { slot: this.#slot, home, because, begun, asked });
      if (asked !== undefined) this.#options.onStarted?.();
    } else if ((await loadAudit(this.#servers.now, this.#slot)) !== undefined)
      await noteHeldBack(this.#servers.now, this.#slot, `${because}; ${begun.why}`);
    else throw new RelayError('AUDIT_HELD_BACK', begun.why);
  }
}

type StartingNow = {
  readonly home: Home;
  readonly means: WindowMeans;
  readonly earlier?: AuditState | undefined;
  readonly asked?: AskedStart | undefined;
};

function differenceOf(known: Home, home: Home): string | undefined {
  if (known.systemIdentifier !== home.systemIdentifier)
    return 'the database belongs to another Postgres cluster';
  if (known.databaseOid !== home.databaseOid) return 'it is another database of the same cluster';
  if (known.outboxTable !== home.outboxTable) return `the setting outbox.table was ${known.outboxTable}`;
  return undefined;
}
