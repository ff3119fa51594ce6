/**
 * Decides by OpenTelemetry's standard environment variables whether the relay exports traces. Pure.
 *
 * Promise: traces never keep the relay from streaming. A value that the relay cannot use leaves them off, with a warning,
 * where a setting of the relay would stop it: these variables are often set for many services at once.
 * @see https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 */

export type TraceSettings =
  | { readonly isOn: true; readonly endpoint: string }
  /** `why` is set where somebody seems to want traces. */
  | { readonly isOn: false; readonly why?: string };

type Environment = Readonly<Record<string, string | undefined>>;

const samplers = new Set([
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
]);

/** Where collectors listen for OTLP over HTTP. */
const defaultEndpoint = 'http://localhost:4318';

export function traceSettings(env: Environment): TraceSettings {
  /** An empty variable counts as unset. */
  const read = (name: string) => env[name]?.trim() || undefined;
  const firstOf = (...names: string[]) => names.find((name) => read(name) !== undefined);
  if (read('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return { isOn: false };

  const endpointName = firstOf('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT');
  const exporters = read('OTEL_TRACES_EXPORTER')?.split(',');
  if (exporters === undefined && endpointName === undefined) return { isOn: false };
  if (exporters?.every((name) => name.trim() === 'none')) return { isOn: false };
  const other = exporters?.find((name) => name.trim() !== 'otlp');
  if (other !== undefined) return off('OTEL_TRACES_EXPORTER', other, 'the relay exports otlp only');

  const protocolName = firstOf('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL');
  const protocol = protocolName && read(protocolName);
  if (protocolName !== undefined && protocol !== 'http/protobuf')
    return off(protocolName, protocol, 'the relay exports http/protobuf only');

  const sampler = read('OTEL_TRACES_SAMPLER');
  if (sampler !== undefined && !samplers.has(sampler))
    return off('OTEL_TRACES_SAMPLER', sampler, `it must be one of ${[...samplers].join(', ')}`);
  const ratio = read('OTEL_TRACES_SAMPLER_ARG');
  if (sampler?.endsWith('ratio') && !(Number(ratio) >= 0 && Number(ratio) <= 1))
    return off('OTEL_TRACES_SAMPLER_ARG', ratio, `${sampler} needs a number from 0 to 1`);

  const endpoint = endpointName === undefined ? defaultEndpoint : read(endpointName)!;
  // Without the value, which may hold a password.
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint))
    return { isOn: false, why: `${endpointName} is not an http or https URL` };
  return { isOn: true, endpoint: new URL(endpoint).host };
}

function off(name: string, value: string | undefined, rule: string): TraceSettings {
  return { isOn: false, why: `${name} is ${value === undefined ? 'not set' : value.trim()}; ${rule}` };
}
