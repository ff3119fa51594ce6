/** Runs the service: one relay, and what is seen of it from outside: log, metrics, health and HTTP. */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { boundHeapGrowth } from '../config/node-flags.ts';
import { RegistryClient } from '../encode/registry/registry-client.ts';
import { asRelayError } from '../errors.ts';
import { Health } from '../observe/health.ts';
import { createMetrics } from '../observe/metrics.ts';
import { startHttpServer } from '../observe/server.ts';
import { watchThrottling } from '../publish/throttling.ts';
import { Relay } from '../relay.ts';

/** How often the gauges are brought up to date, and the line of work is considered. */
const sampleIntervalMs = 1_000;
const workLineIntervalMs = 60_000;

/**
 * Streams until `ending` is aborted, then finishes the open Kafka transaction.
 * @throws RelayError what stopped the relay, with the hint on what to do; it is logged
 */
export async function runRelay(config: Config, log: Logger, ending: AbortSignal): Promise<void> {
  boundHeapGrowth();
  const metrics = createMetrics();
  const health = new Health({ notReadyAfterMs: config.retry.notReadyAfterMs });
  const relay = new Relay({ config, log, metrics, health, registry: new RegistryClient(config.registry) });
  const server = await startHttpServer(config.http, { health, registry: metrics.registry });
  const endThrottleWatch = watchThrottling({ clientId: config.kafka.clientId, log, metrics, health });
  log.info({ http: `${server.address}:${server.port}` }, 'started');
  const work = setInterval(() => relay.sample(), sampleIntervalMs);
  const line = setInterval(() => log.info(relay.work(), 'work of the last minute'), workLineIntervalMs);
  try {
    await relay.run(ending);
    log.info('stopped');
  } catch (error) {
    const failure = asRelayError(error);
    log.fatal({ err: failure }, 'the relay stopped itself; the hint says what to do');
    throw failure;
  } finally {
    endThrottleWatch();
    clearInterval(work);
    clearInterval(line);
    await server.close();
  }
}
