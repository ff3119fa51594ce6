/** The standing audit: one run, and runs until a signal; audit-report.ts has what is known from earlier ones. */
import type { Logger } from 'pino';
import { auditDebezium, type DebeziumOptions, type DebeziumReport } from '../audit/debezium.ts';
import { type AskedStart, type RunOptions, runAudit } from '../audit/standing/standing.ts';
import type { AuditRow } from '../audit/standing/store.ts';
import { pause } from '../connect/backoff.ts';
import { createKafka } from '../connect/kafka.ts';
import { asRelayError, type RelayError } from '../errors.ts';
import { auditFailed, setAuditMetrics } from '../observe/audit-metrics.ts';
import { createMetrics } from '../observe/metrics.ts';
import { startHttpServer } from '../observe/server.ts';
import { logRun } from './audit-report.ts';

export type { DebeziumReport } from '../audit/debezium.ts';
export type { StoredFinding } from '../audit/standing/report.ts';
export type { AskedStart } from '../audit/standing/standing.ts';
export { forgotAt } from '../audit/standing/start.ts';
export type { AuditRow } from '../audit/standing/store.ts';
export { hasComparedNothing, hasFindings, openFindings, unproven } from '../observe/audit-metrics.ts';
export { auditReport, type StandingReport } from './audit-report.ts';

/** How long the progress may take to reach a snapshot. */
export const auditWaitMs = 60_000;

export type StandingOptions = Pick<
  RunOptions,
  'config' | 'start' | 'onStarted' | 'signal' | 'closes' | 'onDone'
> & {
  readonly log: Logger;
  readonly waitMs?: number;
};

/** One run, up to the present progress. @throws RelayError POSTGRES_*, KAFKA_*, REGISTRY_*, AUDIT_*, PROGRESS_UNREADABLE */
export function auditOnce({ log, waitMs = auditWaitMs, ...options }: StandingOptions): Promise<AuditRow> {
  const { config } = options;
  const kafka = createKafka(config, log);
  return runAudit({ ...options, kafka, waitMs, perSecondMax: config.audit.maxPerSecond });
}

/** An outbox that Debezium publishes, once. @throws RelayError POSTGRES_*, SLOT_*, KAFKA_*, REGISTRY_*, AUDIT_* */
export function auditOfDebezium({
  log,
  ...options
}: Omit<DebeziumOptions, 'kafka'> & { readonly log: Logger }): Promise<DebeziumReport> {
  return auditDebezium({ ...options, kafka: createKafka(options.config, log) });
}

/**
 * Runs until the signal, and serves the metrics. A failure that can pass does not end it.
 * @throws RelayError of class `stop`
 */
export async function auditContinuously(
  options: Omit<StandingOptions, 'closes'> & { readonly everyMs: number },
): Promise<void> {
  const { config, log, everyMs, signal } = options;
  const metrics = createMetrics({ slot: config.slot.name });
  let failure: RelayError | undefined;
  const server = await startHttpServer(
    { host: config.http.host, port: config.audit.httpPort, portKey: 'audit.httpPort' },
    {
      registry: metrics.registry,
      health: {
        live: () => ({ live: true }),
        ready: () => ({ ready: failure === undefined, error: failure?.code }),
      },
    },
  );
  log.info({ http: `${server.address}:${server.port}`, everyMinutes: everyMs / 60_000 }, 'auditing');
  try {
    let start: AskedStart | undefined = options.start;
    // A run that is held back before it begins leaves the start to the next one.
    const onStarted = () => {
      start = undefined;
    };
    while (!signal.aborted) {
      try {
        const row = await auditOnce({ ...options, closes: false, start, onStarted });
        failure = undefined;
        if (signal.aborted) break;
        setAuditMetrics(metrics, row);
        logRun(log, row);
      } catch (error) {
        if (signal.aborted) break;
        failure = asRelayError(error);
        auditFailed(metrics);
        if (failure.class !== 'retry') throw failure;
        log.warn({ code: failure.code, err: failure.message }, 'audit failed; it runs again later');
      }
      await pause(everyMs, signal);
    }
  } finally {
    await server.close();
  }
}
