/** Runs the service: one relay, and what is seen of it from outside: log, metrics, health and HTTP. */
import { RegistryClient } from '../encode/registry/registry-client.ts';
import { asRelayError } from '../errors.ts';
import { abortWith } from '../model/abort.ts';
import { type ComponentLogs, setLevels, withFields } from '../observe/component-logs.ts';
import { Health } from '../observe/health.ts';
import { createObserver } from '../observe/listeners.ts';
import { createMetrics } from '../observe/metrics.ts';
import type { Listener } from '../observe/observer.ts';
import { announcedAddress, startHttpServer } from '../observe/server.ts';
import { startTracing } from '../observe/tracing.ts';
import { watchMarkers } from '../publish/report-markers.ts';
import { watchThrottling } from '../publish/report-throttling.ts';
import { Relay } from '../relay.ts';
import { instanceName } from '../session/instance.ts';
import { Announcer } from './announce.ts';
import { auditBeside } from './audit-beside.ts';
import { ConfigReload, type ReloadOptions } from './reload.ts';

/** How often the gauges are brought up to date. */
const sampleIntervalMs = 1_000;

/** The configuration, the file that it comes from, and how to read it again. */
export type Loaded = Pick<ReloadOptions, 'config' | 'file' | 'load'>;

export type Beside = {
  /** Whether the relay serves metrics and health over HTTP. */
  readonly servesHttp: boolean;
  /** The caller's own. */
  readonly listeners: readonly Listener[];
};

/**
 * Streams until `ending` is aborted, then finishes the open Kafka transaction.
 * @throws RelayError what stopped the relay, with the hint on what to do; it is logged
 */
export async function runRelay(
  { config, file, load }: Loaded,
  logs: ComponentLogs,
  ending: AbortSignal,
  beside: Beside = { servesHttp: true, listeners: [] },
): Promise<void> {
  const metrics = createMetrics({ slot: config.slot.name, ...config.metrics });
  const health = new Health({ notReadyAfterMs: config.retry.notReadyAfterMs });
  const instance = instanceName(process.pid);
  const relayLogs = withFields(logs, { slot: config.slot.name, instance });
  const announcer = new Announcer({
    config,
    instance,
    health,
    onLastWords: (words) => health.heardLastWords(words),
    onFailure: (failure, retryInMs) => observer.dutyFailed?.({ duty: 'announce', failure, retryInMs }),
  });
  const { name: slot } = config.slot;
  const { clientId } = config.kafka;
  const tracing = await startTracing({ log: relayLogs.tracing, metrics, instance, slot, clientId });
  const listeners = [announcer.listener, ...(tracing === undefined ? [] : [tracing.listener])];
  const observer = createObserver({ logs: relayLogs, metrics, health }, [...listeners, ...beside.listeners]);
  const registry = new RegistryClient(config.registry, (tookMs, result) =>
    observer.registryAsked?.({ tookMs, result }),
  );
  const relay = new Relay({ config, instance, log: relayLogs.kafka, observer, registry });
  const server = beside.servesHttp
    ? await startHttpServer(config.http, { health, registry: metrics.registry }).catch(async (error) => {
        // Nobody can ask it on its port, and what it says in Postgres is all that `status` can know.
        await announcer.endWith(asRelayError(error));
        throw error;
      })
    : undefined;
  const endThrottleWatch = watchThrottling(config.kafka.clientId, observer);
  const endMarkerWatch = watchMarkers(observer);
  logs.relay.info(server === undefined ? {} : { http: `${server.address}:${server.port}` }, 'started');
  announcer.start(server === undefined ? '' : announcedAddress(config.http, server));
  metrics.gauge.config_last_reload_successful.set(1);
  metrics.gauge.config_restart_needed.set(0);
  const onApplied = () => {
    for (const each of [logs, relayLogs]) setLevels(each, config.log);
  };
  new ConfigReload({ config, file, load, observer, onApplied }).watch(ending);
  const sampling = setInterval(() => relay.sample(), sampleIntervalMs);
  const auditEnding = new AbortController();
  const auditing = auditBeside(
    { config, log: relayLogs.audit, metrics, isStreaming: () => health.ready().state === 'streaming' },
    abortWith(auditEnding, ending),
  );
  try {
    await relay.run(ending);
    logs.relay.info('stopped');
  } finally {
    auditEnding.abort();
    await auditing;
    endThrottleWatch();
    endMarkerWatch();
    clearInterval(sampling);
    await Promise.all([announcer.end(), tracing?.stop(), server?.close()]);
  }
}
