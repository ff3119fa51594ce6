/**
 * Starts the export of traces, where OpenTelemetry's environment variables ask for it. Otherwise its SDK is not loaded,
 * and the stream collects nothing for it.
 */
import type { Logger } from 'pino';
import type { Metrics } from './metrics.ts';
import type { Listener } from './observer.ts';
import { traceSettings } from './trace-settings.ts';

export type Tracing = {
  readonly listener: Listener;
  /** Sends what is left, within a limit. */
  stop(): Promise<void>;
};

type Use = {
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'counter'>;
  readonly instance: string;
  readonly slot: string;
  readonly clientId: string;
};

/** A relay that drains has more to do in the time it is given. */
const stopWithinMs = 2_000;

/** Each batch of spans may fail. */
const failureLineIntervalMs = 60_000;

/** @returns undefined where traces are off */
export async function startTracing(use: Use): Promise<Tracing | undefined> {
  const { log } = use;
  const settings = traceSettings(process.env);
  if (!settings.isOn) {
    if (settings.why !== undefined) log.warn({ reason: settings.why }, 'traces are off');
    return undefined;
  }
  try {
    const tracing = await open(use);
    log.info({ collector: settings.endpoint }, 'exporting traces');
    return tracing;
  } catch (error) {
    log.warn({ err: error }, 'traces are off: the packages of OpenTelemetry cannot be used');
    return undefined;
  }
}

async function open(use: Use): Promise<Tracing> {
  const { log, metrics, instance } = use;
  const [{ openSpanExport }, { tracesListener }] = await Promise.all([
    import('./trace-exporter.ts'),
    import('./traces-listener.ts'),
  ]);
  let toldMs = Number.NEGATIVE_INFINITY;
  const { trace_spans_exported_total: exported, trace_spans_dropped_total: dropped } = metrics.counter;
  const { maker, stop } = openSpanExport(instance, {
    exported: (spans) => exported.inc(spans),
    dropped: (spans) => dropped.inc({ reason: 'queue_full' }, spans),
    failed(spans, reason) {
      dropped.inc({ reason: 'export_failed' }, spans);
      if (performance.now() - toldMs < failureLineIntervalMs) return;
      toldMs = performance.now();
      log.warn({ spans, reason }, 'the collector did not take spans; the stream goes on without them');
    },
  });
  return { listener: tracesListener(maker, use), stop: () => stop(stopWithinMs) };
}
