/**
 * Which spans the relay makes of what it publishes:
 *
 * - one per event whose writer's trace is sampled, child of the span that the writer named: from the commit in Postgres to
 *   the commit in Kafka, or to the dead letter;
 * - one per Kafka transaction that holds such an event, with links to these spans.
 *
 * Everything is made after the commit, so an event costs nothing before. Spans hold positions, topics and codes, never a
 * key, an id or anything of a payload.
 * @see https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
 */
import {
  type Attributes,
  createTraceState,
  type HrTime,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { Facts, TracedEvent } from './facts.ts';
import type { Listener } from './observer.ts';
import { parseTraceparent, type TraceContext } from './trace-context.ts';

export type SpanMaker = {
  readonly tracer: Tracer;
  /** Whether the queue of the exporter has room for another span. */
  hasRoom(): boolean;
  /** So many spans are not made, for lack of room. */
  drop(spans: number): void;
};

/** OpenTelemetry's default limit for the links of a span. */
const linksMax = 128;

type Origin = { readonly clientId: string; readonly slot: string };

export function tracesListener(maker: SpanMaker, { clientId, slot }: Origin): Listener {
  const common: Attributes = {
    'messaging.system': 'kafka',
    'messaging.client.id': clientId,
    'outbox_relay.slot': slot,
  };

  /** Wall clock of a time on the monotonic clock. */
  const wallMs = (monotonicMs: number) => Date.now() - (performance.now() - monotonicMs);

  const transactionSpan = ({ batch }: Facts['traced']): Span => {
    const { events, eventsByTopic, bytes, deadLetters, progress, begunMs } = batch;
    const [topic, ...others] = eventsByTopic.keys();
    const destination = others.length === 0 ? topic : undefined;
    const options = {
      kind: SpanKind.CLIENT,
      startTime: hrTime(wallMs(begunMs)),
      attributes: {
        ...common,
        'messaging.operation.name': 'transaction',
        'messaging.operation.type': 'send',
        'messaging.batch.message_count': events,
        'outbox_relay.bytes': bytes,
        'outbox_relay.dead_letters': deadLetters,
        'outbox_relay.progress_lsn': progress.endLsn.toString(),
        ...(destination === undefined ? {} : { 'messaging.destination.name': destination }),
      },
    };
    return maker.tracer.startSpan(named('transaction', destination), options, ROOT_CONTEXT);
  };

  const eventSpan = ({ event, context }: Contextual, transaction: Span, endMs: number): Span => {
    const { traceId, spanId, flags: traceFlags } = context;
    const { topic, partition, position, code, tracestate, waypoints } = event;
    const traceState = tracestate === undefined ? {} : { traceState: createTraceState(tracestate) };
    const writer = { traceId, spanId, traceFlags, isRemote: true, ...traceState };
    const span = maker.tracer.startSpan(
      named('send', topic ?? undefined),
      {
        kind: SpanKind.CLIENT,
        // The clock of the database may be ahead.
        startTime: hrTime(Math.min(event.committedAtMs, endMs)),
        attributes: {
          ...common,
          'messaging.operation.name': 'send',
          'messaging.operation.type': 'send',
          'outbox_relay.position': position,
          ...(topic === null ? {} : { 'messaging.destination.name': topic }),
          ...(partition === null ? {} : { 'messaging.destination.partition.id': String(partition) }),
          ...(code === null ? {} : { 'error.type': code }),
        },
        links: isSampled(transaction) ? [{ context: transaction.spanContext() }] : [],
      },
      trace.setSpanContext(ROOT_CONTEXT, writer),
    );
    if (waypoints !== null) {
      span.addEvent('received', hrTime(wallMs(waypoints.receivedMs)));
      span.addEvent('encoded', hrTime(wallMs(waypoints.encodedMs)));
    }
    if (code !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: `dead letter: ${code}` });
    span.end(hrTime(endMs));
    return span;
  };

  return {
    name: 'traces',
    hears: {
      traced: (fact) => {
        const events = fact.events.flatMap((event): Contextual[] => {
          const context = parseTraceparent(event.traceparent);
          return context === undefined ? [] : [{ event, context }];
        });
        if (fact.omitted > 0) maker.drop(fact.omitted);
        if (events.length === 0) return;
        const endMs = wallMs(fact.batch.confirmedMs);
        const transaction = transactionSpan(fact);
        let links = 0;
        for (const [index, event] of events.entries()) {
          if (!maker.hasRoom()) {
            maker.drop(events.length - index);
            break;
          }
          const span = eventSpan(event, transaction, endMs);
          if (links >= linksMax || !isSampled(span)) continue;
          transaction.addLink({ context: span.spanContext() });
          links += 1;
        }
        transaction.end(hrTime(endMs));
      },
    },
  };
}

type Contextual = { readonly event: TracedEvent; readonly context: TraceContext };

const isSampled = (span: Span): boolean => (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;

const named = (operation: string, topic: string | undefined): string =>
  topic === undefined ? operation : `${operation} ${topic}`;

/** As a pair: the SDK takes a number below the start of the process for a time on the monotonic clock. */
function hrTime(ms: number): HrTime {
  return [Math.floor(ms / 1_000), Math.floor((ms % 1_000) * 1_000_000)];
}
