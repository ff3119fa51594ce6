/**
 * Owns the way of the spans out of the process: OpenTelemetry's SDK with its exporter for OTLP over HTTP, both configured
 * by the standard environment variables. Loaded only where traces are on.
 *
 * Promise: a collector that is slow or down costs the stream nothing. The queue is bounded and spans beyond it are not
 * even made; each is counted.
 */

import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { version } from '../config/version.ts';
import { withResolvers } from '../model/builtins.ts';
import type { SpanMaker } from './traces-listener.ts';

/** Of the spans that were made. */
export type SpanCounts = {
  exported(spans: number): void;
  /** The collector did not take them. */
  failed(spans: number, reason: string): void;
  /** There was no room for them in the queue. */
  dropped(spans: number): void;
};

export type SpanExport = {
  readonly maker: SpanMaker;
  /** Sends what is left, for as long as `withinMs`; what is not sent then counts as failed. */
  stop(withinMs: number): Promise<void>;
};

/** OTEL_BSP_MAX_QUEUE_SIZE, whose default this is. */
const queueDefault = 2_048;

export function openSpanExport(instance: string, counts: SpanCounts): SpanExport {
  const spansMax = Number(process.env.OTEL_BSP_MAX_QUEUE_SIZE) || queueDefault;
  /** Ended and neither exported nor failed. */
  let waiting = 0;
  const inner = new OTLPTraceExporter();
  const exporter: SpanExporter = {
    export(spans, done) {
      inner.export(spans, (result) => {
        waiting -= spans.length;
        if (result.code === 0) counts.exported(spans.length);
        else counts.failed(spans.length, result.error?.message ?? 'no reason given');
        done(result);
      });
    },
    forceFlush: () => inner.forceFlush(),
    shutdown: () => inner.shutdown(),
  };
  const batching = new BatchSpanProcessor(exporter);
  const processor: SpanProcessor = {
    onStart: () => {},
    onEnd(span: ReadableSpan) {
      waiting += 1;
      batching.onEnd(span);
    },
    forceFlush: () => batching.forceFlush(),
    shutdown: () => batching.shutdown(),
  };
  const own = { 'service.name': 'outbox-relay', 'service.version': version, 'service.instance.id': instance };
  const resource = defaultResource()
    .merge(resourceFromAttributes(own))
    // OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME.
    .merge(detectResources({ detectors: [envDetector] }));
  const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] });
  return {
    maker: {
      tracer: provider.getTracer('outbox-relay', version),
      hasRoom: () => waiting < spansMax,
      drop: (spans) => counts.dropped(spans),
    },
    async stop(withinMs) {
      const { promise: late, resolve } = withResolvers<void>();
      const timer = setTimeout(resolve, withinMs);
      await Promise.race([provider.shutdown().catch(() => {}), late]);
      clearTimeout(timer);
      if (waiting > 0) counts.failed(waiting, 'the relay stopped');
      waiting = 0;
    },
  };
}
