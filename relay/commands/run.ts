/** `outbox-relay run`: the service. */
import { Command } from 'commander';
import type { Config } from '../config/config.ts';
import { boundHeapGrowth } from '../config/node-flags.ts';
import { RegistryClient } from '../encode/registry/registry-client.ts';
import { asRelayError, exitCodes } from '../errors.ts';
import { Health } from '../observe/health.ts';
import { createLogger } from '../observe/log.ts';
import { createMetrics } from '../observe/metrics.ts';
import { startHttpServer } from '../observe/server.ts';
import { watchThrottling } from '../publish/throttling.ts';
import { Relay } from '../relay.ts';
import type { Load } from './load.ts';

/** How often the gauges are brought up to date, and the line of work is considered. */
const sampleIntervalMs = 1_000;
const workLineIntervalMs = 60_000;

export function runCommand(load: Load): Command {
  return new Command('run')
    .summary('stream the outbox to Kafka until told to stop')
    .description(
      `Streams committed events from the outbox table to Kafka, exactly once, until SIGTERM or SIGINT.

Several may run on the same slot: one is active, the others wait in standby and take over.
Writes: the replication slot (made at the first start), the tables outbox.heartbeat, outbox.progress and
outbox.dead_letter, the progress topic, and the event topics.

On SIGTERM or SIGINT the open Kafka transaction is finished, Postgres is told, and the exit code is 0; a second
signal ends the process at once. Nothing is lost either way.`,
    )
    .action(async (_options, command: Command) => {
      const { config } = load(command);
      await run(config);
    });
}

async function run(config: Config): Promise<void> {
  boundHeapGrowth();
  const log = createLogger(config.log.level);
  const metrics = createMetrics();
  const health = new Health({ notReadyAfterMs: config.retry.notReadyAfterMs });
  const relay = new Relay({ config, log, metrics, health, registry: new RegistryClient(config.registry) });
  const server = await startHttpServer(config.http, { health, registry: metrics.registry });
  const endThrottleWatch = watchThrottling({ clientId: config.kafka.clientId, log, metrics, health });
  log.info({ http: `${server.address}:${server.port}` }, 'started');
  const work = setInterval(() => relay.sample(), sampleIntervalMs);
  const line = setInterval(() => log.info(relay.work(), 'work of the last minute'), workLineIntervalMs);
  try {
    await relay.run(untilSignalled(config, log));
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

/**
 * A supervisor that signals the whole group, and a wrapper that passes its signal on, make one signal two. A person does
 * not press twice within this time.
 */
const echoMs = 300;

/** Aborted by the first SIGTERM or SIGINT. Draining that takes too long is abandoned, and so is it by a second signal. */
function untilSignalled(config: Config, log: ReturnType<typeof createLogger>): AbortSignal {
  const ending = new AbortController();
  let firstMs = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    if (ending.signal.aborted && performance.now() - firstMs < echoMs) return;
    if (ending.signal.aborted) {
      log.warn({ signal }, 'second signal: ending at once, the next start resumes');
      process.exit(exitCodes.ok);
    }
    log.info({ signal }, 'stopping');
    firstMs = performance.now();
    ending.abort();
    setTimeout(() => {
      log.warn(
        { shutdownMs: config.shutdownMs },
        'draining took too long and is abandoned; the next start resumes',
      );
      process.exit(exitCodes.ok);
    }, config.shutdownMs).unref();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return ending.signal;
}
