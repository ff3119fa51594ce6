/**
 * The standing audit beside the faults, as the user and over the proxies of the relay, so that every fault hits it too. It
 * must find nothing: what it takes for lost, doubled or leaked is a false alarm, for the oracle knows better.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import type { Environment } from '../harness/relay-process.ts';
import { endOf, waitFor } from '../harness/wait.ts';
import { loadConfig } from '../relay/config/config.ts';
import { asRelayError } from '../relay/errors.ts';
import { auditOnce, auditReport } from '../relay/operations/audit.ts';
import type { Breach } from './oracle.ts';

export type AuditTotals = {
  /** Windows that were verified. */
  windows: number;
  events: number;
  /** Runs that verified nothing, or that a fault ended; by reason or code. */
  readonly without: Map<string, number>;
  /** Times that it started again, by reason. */
  readonly restarts: Map<string, number>;
};

export const noTotals = (): AuditTotals => ({
  windows: 0,
  events: 0,
  without: new Map(),
  restarts: new Map(),
});

/** A request that is under way runs into its own limits before. */
const endsWithinMs = 120_000;
/** Between two runs. */
const pauseMs = 500;

export class ChaosAudit {
  readonly #config: ReturnType<typeof loadConfig>['config'];
  readonly #ending = new AbortController();
  readonly #totals: AuditTotals;
  readonly #breaches: Breach[] = [];
  readonly #running: Promise<void>;
  #begun = 0;
  /** The last run, by its number, that verified all that was published when it began. */
  #complete = 0;
  #startedAt: string | undefined;
  #known = 0;
  #windows = 0;
  #events = 0;

  constructor(env: Environment, totals: AuditTotals) {
    this.#config = loadConfig({ env }).config;
    this.#totals = totals;
    this.#running = this.#run();
  }

  /** What it found since the last call. */
  takeBreaches(): Breach[] {
    return this.#breaches.splice(0);
  }

  /** Resolves when what is published now is verified, and is not needed as evidence any more. */
  async untilVerified(timeoutMs: number): Promise<void> {
    const wanted = this.#begun + 1;
    await waitFor(() => this.#complete >= wanted, 'the audit to verify all that is published', timeoutMs);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await endOf(this.#running, 'the audit to end', endsWithinMs);
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    const log = pino({ level: 'silent' });
    while (!signal.aborted) {
      this.#begun += 1;
      try {
        const row = await auditOnce({ config: this.#config, log, signal, closes: false, waitMs: 5_000 });
        if (row.heldBack !== null)
          this.#count(this.#totals.without, row.heldBack.replace(/[0-9A-F]+\/[0-9A-F]+/g, '…'));
        await this.#note();
        if (row.heldBack === null) this.#complete = this.#begun;
      } catch (error) {
        if (!signal.aborted) this.#count(this.#totals.without, asRelayError(error).code);
      }
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  async #note(): Promise<void> {
    const report = await auditReport(this.#config);
    if (report === undefined) return;
    const { audit, latest } = report;
    const startedAt = audit.startedAt.toISOString();
    if (this.#startedAt !== startedAt) {
      if (this.#startedAt !== undefined) this.#count(this.#totals.restarts, audit.startedBecause);
      [this.#startedAt, this.#known, this.#windows, this.#events] = [startedAt, 0, 0, 0];
    }
    this.#totals.windows += audit.windows - this.#windows;
    this.#totals.events += audit.events - this.#events;
    [this.#windows, this.#events] = [audit.windows, audit.events];
    const { missing, duplicate, leaked, outOfOrder, undecodable } = audit;
    const found = missing + duplicate + leaked + outOfOrder + undecodable;
    if (found <= this.#known) return;
    const what = latest
      .slice(0, 5)
      .map(({ kind, id, position, detail }) => `${kind} ${id} ${position} ${detail}`);
    this.#breaches.push({
      invariant: 'I10',
      detail: `the audit found ${found - this.#known}: ${what.join('; ')}`,
    });
    this.#known = found;
  }

  #count(counts: Map<string, number>, what: string): void {
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
}

export function describeAudit({ windows, events, without, restarts }: AuditTotals): string {
  const listed = (counts: Map<string, number>) =>
    counts.size === 0 ? 'none' : [...counts].map(([what, times]) => `${times} × ${what}`).join(', ');
  return `The audit verified ${events} events in ${windows} windows. Runs without a result: ${listed(without)}. Started again: ${listed(restarts)}.`;
}
