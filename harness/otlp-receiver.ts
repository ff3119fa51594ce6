/**
 * A collector of traces: takes OTLP over HTTP and keeps the spans. It decodes with the classes that OpenTelemetry
 * generates from its protocol, not with the code that encodes in the relay.
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';

type Value = { readonly stringValue?: string; readonly intValue?: number | { toNumber(): number } };
type KeyValue = { readonly key: string; readonly value: Value };
type Decoded = {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: Uint8Array;
        readonly spanId: Uint8Array;
        readonly parentSpanId: Uint8Array;
        readonly name: string;
        readonly startTimeUnixNano: { toString(): string };
        readonly endTimeUnixNano: { toString(): string };
        readonly attributes: readonly KeyValue[];
        readonly links: readonly { readonly traceId: Uint8Array; readonly spanId: Uint8Array }[];
        readonly status: { readonly code: number; readonly message: string } | null;
      }[];
    }[];
  }[];
};

const { ExportTraceServiceRequest } = createRequire(import.meta.url)('otlp-proto/build/src/generated/root.js')
  .opentelemetry.proto.collector.trace.v1 as {
  ExportTraceServiceRequest: { decode(bytes: Buffer): Decoded };
};

export type ReceivedSpan = {
  readonly service: string;
  readonly resource: Readonly<Record<string, string | number>>;
  readonly traceId: string;
  readonly spanId: string;
  /** '' for a root. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly links: readonly string[];
  /** Set where the span failed. */
  readonly error: string | undefined;
};

export class OtlpReceiver implements AsyncDisposable {
  readonly spans: ReceivedSpan[] = [];
  /** Of each request. */
  readonly headers: IncomingHttpHeaders[] = [];
  /** How it answers: takes the spans, refuses them, or never answers. */
  mode: 'take' | 'refuse' | 'hang' = 'take';
  readonly #server: Server;

  static async start(): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const body = await buffer(request);
      this.headers.push(request.headers);
      if (this.mode === 'hang') return;
      const isTaken = this.mode === 'take' && request.method === 'POST' && request.url === '/v1/traces';
      if (isTaken) this.#take(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
      response.writeHead(isTaken ? 200 : 400, { 'content-type': 'application/x-protobuf' }).end();
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #take(body: Buffer): void {
    for (const { resource, scopeSpans } of ExportTraceServiceRequest.decode(body).resourceSpans) {
      const own = plain(resource.attributes);
      for (const span of scopeSpans.flatMap(({ spans }) => spans))
        this.spans.push({
          service: String(own['service.name']),
          resource: own,
          traceId: hex(span.traceId),
          spanId: hex(span.spanId),
          parentSpanId: hex(span.parentSpanId),
          name: span.name,
          startMs: Number(span.startTimeUnixNano.toString()) / 1e6,
          endMs: Number(span.endTimeUnixNano.toString()) / 1e6,
          attributes: plain(span.attributes),
          links: span.links.map(({ spanId }) => hex(spanId)),
          error: span.status?.code === 2 ? span.status.message : undefined,
        });
    }
  }
}

const hex = (bytes: Uint8Array | null): string => Buffer.from(bytes ?? []).toString('hex');

function plain(attributes: readonly KeyValue[]): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue } }) => {
      const number = typeof intValue === 'object' ? intValue?.toNumber() : intValue;
      return [key, stringValue ? stringValue : (number ?? '')];
    }),
  );
}
