import { type HrTime, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { expect, test } from 'vitest';
import type { TracedEvent } from '../../../relay/observe/facts.ts';
import { tracesListener } from '../../../relay/observe/traces-listener.ts';
import { committedSample } from './fact-samples.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

const tracedSample = (rest: Partial<TracedEvent> = {}): TracedEvent => ({
  traceparent: `00-${traceId}-${spanId}-01`,
  tracestate: undefined,
  position: '0000000000000010.00000000',
  committedAtMs: Date.now() - 250,
  topic: 'orders',
  partition: 2,
  code: null,
  waypoints: null,
  ...rest,
});

function scene({ room = Number.POSITIVE_INFINITY, sampler }: { room?: number; sampler?: Sampler } = {}) {
  const exporter = new InMemorySpanExporter();
  const spanProcessors = [new SimpleSpanProcessor(exporter)];
  const provider = new BasicTracerProvider({ spanProcessors, ...(sampler && { sampler }) });
  let dropped = 0;
  let left = room;
  const maker = {
    tracer: provider.getTracer('test'),
    hasRoom: () => left-- > 0,
    drop: (spans: number) => {
      dropped += spans;
    },
  };
  const listener = tracesListener(maker, { clientId: 'relay-1', slot: 'shop' });
  const batch = committedSample({
    events: 3,
    eventsByTopic: new Map([['orders', 3]]),
    begunMs: performance.now() - 20,
    confirmedMs: performance.now() - 5,
  });
  const say = (events: readonly TracedEvent[], omitted = 0) =>
    listener.hears.traced?.({ batch, events, omitted });
  const spans = () => {
    const all = exporter.getFinishedSpans();
    const transaction = all.find(({ name }) => name.startsWith('transaction'));
    return { transaction, events: all.filter((span) => span !== transaction) };
  };
  return { say, spans, dropped: () => dropped };
}

const ms = ([seconds, nanos]: HrTime) => seconds * 1_000 + nanos / 1e6;

test('an event is a child of the span of its writer, from its commit to the commit in Kafka', () => {
  const { say, spans } = scene();
  const committedAtMs = Date.now() - 250;
  const waypoints = {
    receivedMs: performance.now() - 200,
    takenMs: 0,
    encodedMs: performance.now() - 100,
    encodingMs: 1,
  };
  say([tracedSample({ committedAtMs, waypoints, tracestate: 'vendor=1' })]);
  const [span] = spans().events;
  expect(span?.name).toBe('send orders');
  expect(span?.kind).toBe(SpanKind.CLIENT);
  expect(span?.spanContext().traceId).toBe(traceId);
  expect(span?.spanContext().traceState?.serialize()).toBe('vendor=1');
  expect(span?.parentSpanContext).toMatchObject({ spanId, isRemote: true });
  expect(span?.attributes).toEqual({
    'messaging.system': 'kafka',
    'messaging.client.id': 'relay-1',
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.destination.name': 'orders',
    'messaging.destination.partition.id': '2',
    'outbox_relay.slot': 'shop',
    'outbox_relay.position': '0000000000000010.00000000',
  });
  expect(ms(span!.startTime)).toBeCloseTo(committedAtMs, 2);
  expect(ms(span!.endTime)).toBeGreaterThan(Date.now() - 1_000);
  expect(span?.events.map(({ name }) => name)).toEqual(['received', 'encoded']);
  expect(ms(span!.events[1]!.time) - ms(span!.events[0]!.time)).toBeCloseTo(100, -1);
});

test('the transaction and its events are linked both ways', () => {
  const { say, spans } = scene();
  say([tracedSample(), tracedSample({ position: '0000000000000010.00000001' })]);
  const { transaction, events } = spans();
  expect(transaction?.name).toBe('transaction orders');
  expect(transaction?.parentSpanContext).toBeUndefined();
  expect(transaction?.attributes).toMatchObject({
    'messaging.batch.message_count': 3,
    'messaging.destination.name': 'orders',
  });
  expect(ms(transaction!.endTime) - ms(transaction!.startTime)).toBeCloseTo(15, -1);
  expect(transaction?.links.map(({ context }) => context.spanId)).toEqual(
    events.map((span) => span.spanContext().spanId),
  );
  for (const { links } of events)
    expect(links.map(({ context }) => context.spanId)).toEqual([transaction?.spanContext().spanId]);
});

test('an event that was committed before this process started keeps its time', () => {
  const { say, spans } = scene();
  const committedAtMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  say([tracedSample({ committedAtMs })]);
  expect(ms(spans().events[0]!.startTime)).toBe(committedAtMs);
});

test('the clock of the database may be ahead', () => {
  const { say, spans } = scene();
  say([tracedSample({ committedAtMs: Date.now() + 60_000 })]);
  const [span] = spans().events;
  expect(ms(span!.startTime)).toBe(ms(span!.endTime));
});

test('a dead letter is a failed span with its code', () => {
  const { say, spans } = scene();
  say([tracedSample({ partition: null, topic: null, code: 'PAYLOAD_INVALID' })]);
  const [span] = spans().events;
  expect(span?.name).toBe('send');
  expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'dead letter: PAYLOAD_INVALID' });
  expect(span?.attributes['error.type']).toBe('PAYLOAD_INVALID');
});

test('invalid contexts have no span, and of such events alone there is no transaction either', () => {
  const { say, spans } = scene();
  say([tracedSample({ traceparent: 'nonsense' })]);
  expect(spans()).toEqual({ transaction: undefined, events: [] });
  say([tracedSample({ traceparent: 'nonsense' }), tracedSample()]);
  expect(spans().events).toHaveLength(1);
});

test('the links are bounded, the spans are not', () => {
  const { say, spans } = scene();
  say(Array.from({ length: 300 }, () => tracedSample()));
  expect(spans().events).toHaveLength(300);
  expect(spans().transaction?.links).toHaveLength(128);
  expect(spans().transaction?.droppedLinksCount).toBe(0);
});

test('without room no span is made, and each is counted', () => {
  const { say, spans, dropped } = scene({ room: 2 });
  say(
    Array.from({ length: 5 }, () => tracedSample()),
    7,
  );
  expect(spans().events).toHaveLength(2);
  expect(dropped()).toBe(10);
});

test('what the sampler refuses has no span and no link', () => {
  const root: Sampler = {
    shouldSample: () => ({ decision: SamplingDecision.NOT_RECORD }),
    toString: () => 'none',
  };
  const { say, spans } = scene({ sampler: new ParentBasedSampler({ root }) });
  say([tracedSample()]);
  const { transaction, events } = spans();
  expect(transaction).toBeUndefined();
  expect(events[0]?.links).toEqual([]);
  expect(events[0]?.spanContext().traceFlags).toBe(TraceFlags.SAMPLED);
});
