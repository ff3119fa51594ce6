/**
 * Runs the audit beside the stream, in the relay that streams: each run in a thread of its own, with connections and memory
 * of its own. Promise: the event loop of the stream does nothing for it but take one message, and no failure of it ends
 * the stream.
 */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import type { AuditRow } from '../audit/standing/store.ts';
import type { Config } from '../config/config.ts';
import { pause } from '../connect/backoff.ts';
import { auditFailed, setAuditMetrics } from '../observe/audit-metrics.ts';
import type { Metrics } from '../observe/metrics.ts';
import { auditReport, logRun } from './audit-report.ts';

export type AuditWork = { readonly config: Config };
export type AuditMessage =
  | { readonly row: AuditRow }
  | { readonly failure: { readonly code: string; readonly message: string } };

/** A run takes some 150 MB; one that would take much more fails, and the stream does not. */
const heapMaxMb = 768;
/** How often to see whether this relay streams. */
const lookMs = 1_000;
/** How long a run may take to end when it is asked to. */
const endMs = 2_000;

export type BesideOptions = {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Whether this relay streams now. */
  readonly isStreaming: () => boolean;
};

/** Until the signal. Does nothing unless `audit.everyMinutes` is set. */
export async function auditBeside(options: BesideOptions, signal: AbortSignal): Promise<void> {
  const everyMs = options.config.audit.everyMinutes * 60_000;
  if (everyMs === 0) return;
  let dueMs = performance.now() + everyMs;
  let isKnown = false;
  for (; !signal.aborted; await pause(lookMs, signal)) {
    if (!options.isStreaming()) isKnown = false;
    else if (performance.now() >= dueMs) {
      note(options, await run(options.config, signal));
      isKnown = true;
      dueMs = performance.now() + everyMs;
    } else if (!isKnown) isKnown = await tellKnown(options);
  }
}

/** What earlier runs know, of this relay or another. @returns whether Postgres could be asked */
async function tellKnown({ config, metrics, isStreaming }: BesideOptions): Promise<boolean> {
  try {
    const report = await auditReport(config);
    if (report !== undefined && isStreaming()) setAuditMetrics(metrics, report.audit);
    return true;
  } catch {
    return false; // the stream says that Postgres cannot be asked
  }
}

function note({ log, metrics, isStreaming }: BesideOptions, message: AuditMessage): void {
  if (!isStreaming()) return;
  if ('row' in message) {
    setAuditMetrics(metrics, message.row);
    logRun(log, message.row);
  } else {
    auditFailed(metrics);
    log.warn(message.failure, 'audit failed; it runs again later');
  }
}

async function run(config: Config, signal: AbortSignal): Promise<AuditMessage> {
  const worker = new Worker(new URL(`./audit-worker${extname(import.meta.filename)}`, import.meta.url), {
    workerData: { config } satisfies AuditWork,
    resourceLimits: { maxOldGenerationSizeMb: heapMaxMb },
  });
  const end = () => {
    worker.postMessage('end');
    setTimeout(() => void worker.terminate(), endMs).unref();
  };
  signal.addEventListener('abort', end, { once: true });
  try {
    return await new Promise<AuditMessage>((resolve) => {
      worker.once('message', resolve);
      worker.once('error', ({ message }) => resolve({ failure: { code: 'INTERNAL', message } }));
      worker.once('exit', () => resolve({ failure: { code: 'INTERNAL', message: 'the thread ended' } }));
    });
  } finally {
    signal.removeEventListener('abort', end);
  }
}
