import { expect, test } from 'vitest';
import { traceSettings } from '../../../relay/observe/trace-settings.ts';

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
const on = (at: string) => ({ isOn: true, endpoint: at });

test.each([
  [{}],
  [{ OTEL_SERVICE_NAME: 'shop', OTEL_RESOURCE_ATTRIBUTES: 'a=b', OTEL_TRACES_SAMPLER: 'always_on' }],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
  [{ ...endpoint, OTEL_SDK_DISABLED: 'true' }],
  [{ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }],
])('traces are off with %j', (env: Record<string, string>) => {
  expect(traceSettings(env)).toEqual({ isOn: false });
});

test.each<[Record<string, string>, string]>([
  [endpoint, 'collector:4318'],
  [{ OTEL_TRACES_EXPORTER: 'otlp' }, 'localhost:4318'],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example/v1/traces' }, 'traces.example'],
  [{ ...endpoint, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://other:1/v1/traces' }, 'other:1'],
  [{ ...endpoint, OTEL_SDK_DISABLED: 'false', OTEL_EXPORTER_OTLP_PROTOCOL: '' }, 'collector:4318'],
  [{ ...endpoint, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' }, 'collector:4318'],
  // A password in it is not shown.
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://user:secret@collector' }, 'collector'],
])('traces are on with %j', (env, at) => {
  expect(traceSettings(env)).toEqual(on(at));
});

test.each<[Record<string, string>, string]>([
  [{ OTEL_TRACES_EXPORTER: 'otlp,console' }, 'OTEL_TRACES_EXPORTER is console'],
  [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'OTEL_EXPORTER_OTLP_PROTOCOL is grpc'],
  [{ OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' }, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is http/json'],
  [{ OTEL_TRACES_SAMPLER: 'jaeger_remote' }, 'OTEL_TRACES_SAMPLER is jaeger_remote'],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio' }, 'OTEL_TRACES_SAMPLER_ARG is not set'],
  [
    { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '7' },
    'OTEL_TRACES_SAMPLER_ARG is 7',
  ],
])('what the relay cannot use leaves them off and is named: %j', (env, why) => {
  expect(traceSettings({ ...endpoint, ...env })).toEqual({
    isOn: false,
    why: expect.stringContaining(why),
  });
});

test('an endpoint that is no URL is not shown, since it may hold a password', () => {
  const { why } = traceSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'user:secret@collector' }) as { why: string };
  expect(why).toBe('OTEL_EXPORTER_OTLP_ENDPOINT is not an http or https URL');
});
