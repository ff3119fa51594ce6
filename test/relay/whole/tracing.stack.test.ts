/** Traces through real servers and a collector: the writer's span, the relay's, the consumer's. */
import { randomBytes } from 'node:crypto';
import { ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it } from 'vitest';
import { OtlpReceiver } from '../../../harness/otlp-receiver.ts';
import { waitFor } from '../../../harness/wait.ts';
import { parseTraceparent } from '../../../relay/observe/trace-context.ts';
import { idOf, World } from '../world.ts';

const hex = (bytes: number) => randomBytes(bytes).toString('hex');

/** An application's own tracing, as another service has it. */
function serviceNamed(name: string, url: string) {
  const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces` });
  const resource = resourceFromAttributes({ 'service.name': name });
  const provider = new BasicTracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor(exporter)] });
  return { tracer: provider.getTracer(name), end: () => provider.shutdown() };
}

const traceparentOf = (span: Span) => {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-0${traceFlags}`;
};

type Written = { readonly headers?: Record<string, string> | undefined; readonly payload?: object };

async function write(world: World, { headers, payload = { key: 'k', seq: 1 } }: Written): Promise<string> {
  const { rows } = await world.pool.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload, headers)
     values ('item', 'k', 'test.ItemMoved', $1, coalesce($2, '{}')::jsonb) returning id`,
    [payload, headers === undefined ? null : JSON.stringify(headers)],
  );
  return rows[0].id;
}

describe('traces', () => {
  it('lead from the writer through the relay to the consumer, and only where the writer wants them', async () => {
    await using receiver = await OtlpReceiver.start();
    await using world = await World.create(1);
    const writer = serviceNamed('shop', receiver.url);
    const consumer = serviceNamed('billing', receiver.url);
    const relay = world.startRelay(
      {},
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20hush',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=test',
      },
    );
    await relay.streaming();

    const placed = writer.tracer.startSpan('place order');
    const begunMs = Date.now();
    const unsampled = `00-${hex(16)}-${hex(8)}-00`;
    const ids = [
      await write(world, { headers: { traceparent: traceparentOf(placed), tracestate: 'shop=1' } }),
      await write(world, { headers: { traceparent: unsampled } }),
      await write(world, {
        headers: { traceparent: 'nonsense-that-is-longer-than-a-context-would-be-of-W3C-01' },
      }),
      await write(world, {}),
    ];
    placed.end();
    const refused = { traceId: hex(16), spanId: hex(8) };
    await write(world, {
      headers: { traceparent: `00-${refused.traceId}-${refused.spanId}-01` },
      payload: { key: 7 },
    });

    // The record has both headers as the row has them.
    const records = await world.read(ids);
    const record = records.find((each) => idOf(each) === ids[0])!;
    expect(record.headers).toMatchObject({ traceparent: traceparentOf(placed), tracestate: 'shop=1' });
    expect(records.find((each) => idOf(each) === ids[1])?.headers.traceparent).toBe(unsampled);
    const parent = parseTraceparent(record.headers.traceparent!)!;
    const parentContext = { ...parent, traceFlags: parent.flags };
    const context = trace.setSpanContext(ROOT_CONTEXT, parentContext);
    consumer.tracer.startSpan('bill order', {}, context).end();
    await Promise.all([writer.end(), consumer.end()]);
    const line = await relay.line(({ msg }) => msg === 'stored dead letters');
    expect(line.traceId).toBe(refused.traceId);
    expect((await relay.stop()).code).toBe(0);

    // What was left was sent at the end.
    const { traceId, spanId } = placed.spanContext();
    const ofTrace = receiver.spans.filter((span) => span.traceId === traceId);
    expect(ofTrace.map(({ service, name, parentSpanId }) => [service, name, parentSpanId])).toEqual(
      expect.arrayContaining([
        ['shop', 'place order', ''],
        ['outbox-relay', `send ${world.topic}`, spanId],
        ['billing', 'bill order', spanId],
      ]),
    );
    expect(ofTrace).toHaveLength(3);
    const ours = receiver.spans.filter(({ service }) => service === 'outbox-relay');
    const sent = ours.find((span) => span.traceId === traceId)!;
    expect(sent.startMs).toBeGreaterThanOrEqual(begunMs - 1);
    expect(sent.endMs).toBeGreaterThan(sent.startMs);
    expect(sent.resource).toMatchObject({
      'service.name': 'outbox-relay',
      'deployment.environment': 'test',
    });
    const letter = ours.find((span) => span.traceId === refused.traceId);
    expect(letter).toMatchObject({
      parentSpanId: refused.spanId,
      error: 'dead letter: PAYLOAD_INVALID',
    });
    // One a Kafka transaction, with a link to each of its spans and back; and nothing else.
    const transactions = ours.filter(({ name }) => name.startsWith('transaction'));
    expect(transactions.flatMap(({ links }) => links).toSorted()).toEqual(
      [sent.spanId, letter!.spanId].toSorted(),
    );
    expect(sent.links).toEqual(
      transactions.filter(({ links }) => links.includes(sent.spanId)).map((each) => each.spanId),
    );
    expect(ours).toHaveLength(2 + transactions.length);

    const own = receiver.headers.filter(({ authorization }) => authorization === 'Bearer hush');
    expect(own.length).toBeGreaterThan(0);
    expect(JSON.stringify(relay.lines)).not.toContain('hush');
    expect(JSON.stringify(receiver.spans)).not.toMatch(/"k"|seq/);
  });

  it('of a collector that hangs, then refuses, cost the stream nothing, and what is dropped is counted', async () => {
    await using receiver = await OtlpReceiver.start();
    receiver.mode = 'hang';
    await using world = await World.create(1);
    const relay = world.startRelay(
      {},
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_EXPORTER_OTLP_TIMEOUT: '500',
        OTEL_BSP_MAX_QUEUE_SIZE: '8',
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4',
        OTEL_BSP_SCHEDULE_DELAY: '100',
      },
    );
    await relay.streaming();
    const some = async (count: number) => {
      const ids: string[] = [];
      for (let n = 0; n < count; n++)
        ids.push(await write(world, { headers: { traceparent: `00-${hex(16)}-${hex(8)}-01` } }));
      await world.read(ids);
    };
    const dropped = (reason: string) =>
      relay.metric('outbox_relay_trace_spans_dropped_total', `reason="${reason}"`);
    await some(30);
    expect(await dropped('queue_full')).toBeGreaterThan(0);
    await relay.line(({ msg }) => msg.startsWith('the collector did not take spans'));
    receiver.mode = 'refuse';
    await waitFor(async () => (await dropped('export_failed')) >= 8, 'spans that are refused', 30_000);
    receiver.mode = 'take';
    await some(1);
    await waitFor(() => receiver.spans.length > 0, 'a span', 30_000);
    expect(await relay.metric('outbox_relay_trace_spans_exported_total')).toBeGreaterThan(0);
    receiver.mode = 'hang';
    await some(1);
    const stopMs = performance.now();
    expect((await relay.stop()).code).toBe(0);
    expect(performance.now() - stopMs).toBeLessThan(6_000);
  });

  it('that cannot be exported as asked are off, and the relay says so and streams', async () => {
    await using world = await World.create(1);
    const relay = world.startRelay(
      {},
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    );
    await relay.streaming();
    const line = relay.lines.find(({ msg }) => msg === 'traces are off');
    expect(line?.reason).toContain('OTEL_EXPORTER_OTLP_PROTOCOL is grpc');
    await world.read([await write(world, { headers: { traceparent: `00-${hex(16)}-${hex(8)}-01` } })]);
  });
});
