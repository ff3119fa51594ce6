/**
 * The standing audit beside the faults, as the user and over the proxies of the relay, so that every fault hits it too. It
 * must find nothing but what the oracle knows to be so: the rest is a false alarm. What is missing must be resolved once
 * the relay has recovered.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { pino } from 'pino';
import type { Environment } from '../harness/relay-process.ts';
import { endOf, waitFor } from '../harness/wait.ts';
import { loadConfig } from '../relay/config/config.ts';
import { asRelayError } from '../relay/errors.ts';
import { type AuditRow, auditOnce, auditReport } from '../relay/operations/audit.ts';
import type { Breach, Oracle } from './oracle.ts';

export type AuditTotals = {
  /** Windows that were verified. */
  windows: number;
  events: number;
  /** Runs that verified nothing, or that a fault ended; by reason or code. */
  readonly without: Map<string, number>;
  /** Findings that were so, by kind: the faults lost events of the outbox, or of the database. */
  readonly trueFindings: Map<string, number>;
  /** Times that it started again, by reason. */
  readonly restarts: Map<string, number>;
};

export const noTotals = (): AuditTotals => ({
  windows: 0,
  events: 0,
  without: new Map(),
  trueFindings: new Map(),
  restarts: new Map(),
});

/** A request that is under way runs into its own limits before. */
const endsWithinMs = 120_000;
/** Between two runs. */
const pauseMs = 500;

/** What the audit is judged by. */
export type Truth = {
  /** Of this world, not through a proxy. */
  readonly pool: pg.Pool;
  readonly slot: string;
  readonly oracle: Oracle;
};

type Finding = {
  readonly kind: string;
  readonly id: string | null;
  readonly place: string;
  readonly detail: string | null;
};

export class ChaosAudit {
  readonly #config: ReturnType<typeof loadConfig>['config'];
  readonly #ending = new AbortController();
  readonly #totals: AuditTotals;
  readonly #truth: Truth;
  /** Not judged yet, with the beginning of the run that found them. */
  #findings: (Finding & { readonly beganMs: number })[] = [];
  readonly #running: Promise<void>;
  #begun = 0;
  /** The last run, by its number, that verified all that was published when it began. */
  #complete = 0;
  #startedAt: string | undefined;
  #found = 0;
  #missing = 0;
  readonly #listed = new Set<string>();
  #windows = 0;
  #events = 0;

  constructor(env: Environment, totals: AuditTotals, truth: Truth) {
    this.#config = loadConfig({ env }).config;
    this.#totals = totals;
    this.#truth = truth;
    this.#running = this.#run();
  }

  /** Its false findings since the last call. Call it once the oracle knows what the fault has lost. */
  takeBreaches(): Breach[] {
    const [found, { oracle }] = [this.#findings, this.#truth];
    this.#findings = [];
    const isTrue = ({ kind, id, beganMs }: (typeof found)[number]) => oracle.confirms(kind, id, beganMs);
    for (const { kind } of found.filter(isTrue)) this.#count(this.#totals.trueFindings, kind);
    const alarms = found.filter((finding) => !isTrue(finding));
    if (alarms.length === 0) return [];
    const listed = alarms
      .slice(0, 5)
      .map(({ kind, id, place, detail }) => `${kind} ${id} ${place} ${detail}`);
    return [
      { invariant: 'I12', detail: `${alarms.length} false findings of the audit: ${listed.join('; ')}` },
    ];
  }

  /** Resolves when what is published now is verified, and is not needed as evidence any more. */
  async untilVerified(timeoutMs: number): Promise<void> {
    const wanted = this.#begun + 1;
    await waitFor(() => this.#complete >= wanted, 'the audit to verify all that is published', timeoutMs);
  }

  /** Resolves when no event is missing. Call it after all were published. */
  async untilResolved(timeoutMs: number): Promise<void> {
    if (this.#missing === 0) return;
    await waitFor(() => this.#missing === 0, 'the audit to see that nothing is missing any more', timeoutMs);
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
      const beganMs = Date.now();
      try {
        const row = await auditOnce({ config: this.#config, log, signal, closes: false, waitMs: 5_000 });
        if (row.heldBack !== null)
          this.#count(this.#totals.without, row.heldBack.replace(/[0-9A-F]+\/[0-9A-F]+/g, '…'));
        await this.#note(beganMs);
        if (row.heldBack === null) this.#complete = this.#begun;
      } catch (error) {
        if (!signal.aborted) this.#count(this.#totals.without, asRelayError(error).code);
      }
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
  }

  async #note(beganMs: number): Promise<void> {
    const report = await auditReport(this.#config);
    if (report === undefined) return;
    const { audit } = report;
    const startedAt = audit.startedAt.toISOString();
    if (this.#startedAt !== startedAt) {
      if (this.#startedAt !== undefined) this.#count(this.#totals.restarts, audit.startedBecause);
      [this.#startedAt, this.#found, this.#windows, this.#events] = [startedAt, 0, 0, 0];
    }
    this.#totals.windows += audit.windows - this.#windows;
    this.#totals.events += audit.events - this.#events;
    [this.#windows, this.#events] = [audit.windows, audit.events];
    await this.#list(audit, beganMs);
    this.#missing = audit.missingOpen;
  }

  async #list(audit: AuditRow, beganMs: number): Promise<void> {
    const { missing, duplicate, leaked, outOfOrder, undecodable } = audit;
    const found = missing + duplicate + leaked + outOfOrder + undecodable;
    // They are fewer in a database that was restored.
    if (found === this.#found) return;
    const { pool, slot } = this.#truth;
    const { rows } = await pool.query<Finding>(
      `select kind, event_id as id, concat_ws('/', topic, partition, "offset", position) as place, detail
        from outbox.audit_finding where slot = $1 order by audit_finding.id`,
      [slot],
    );
    for (const finding of rows) {
      const name = `${finding.kind} ${finding.id} ${finding.place}`;
      if (!this.#listed.has(name)) this.#findings.push({ ...finding, beganMs });
      this.#listed.add(name);
    }
    this.#found = found;
  }

  #count(counts: Map<string, number>, what: string): void {
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
}

export function describeAudit({ windows, events, without, trueFindings, restarts }: AuditTotals): string {
  const listed = (counts: Map<string, number>) =>
    counts.size === 0 ? 'none' : [...counts].map(([what, times]) => `${times} × ${what}`).join(', ');
  return `The audit verified ${events} events in ${windows} windows. True findings: ${listed(trueFindings)}. Runs without a result: ${listed(without)}. Started again: ${listed(restarts)}.`;
}
