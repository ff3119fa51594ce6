/** Looks how far the groups of `metrics.consumerGroups` are behind. It writes nothing, and decides nothing. */
import type { Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { allowList } from '../config/topic-patterns.ts';
import { kafkaError } from '../connect/kafka.ts';
import { asRelayError, type RelayError } from '../errors.ts';
import type { ConsumerLag } from '../observe/facts.ts';
import type { RelayObserver } from '../observe/observer.ts';
import { readConsumerLag, TopicEnds } from '../publish/consumer-lag.ts';
import type { Duty } from './duty.ts';

/** As often as Prometheus scrapes by default. A look takes some ms for each group and each of its topics. */
const lookIntervalMs = 15_000;
/** Share of the time that looks may take. */
const lookShareMax = 0.1;

type Means = { readonly config: Config; readonly kafka: Kafka; readonly observer: RelayObserver };

/** @returns undefined where there is no group to look at */
export function consumerLagDuty(means: Means): Duty | undefined {
  if (means.config.metrics.consumerGroups.length === 0) return undefined;
  return {
    name: 'consumer_lag',
    everyMs: lookIntervalMs,
    shareMax: lookShareMax,
    run: (signal) => Promise.race([look(means, signal), untilAborted(signal)]),
  };
}

/** The client tries for minutes to reach a broker that is gone. The end of the stream does not wait for that. */
function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

async function look({ config, kafka, observer }: Means, signal: AbortSignal): Promise<void> {
  const { topics, metrics, kafka: settings } = config;
  const allowed = allowList(topics.allow, settings.progressTopic);
  const admin = kafka.admin();
  const lags: ConsumerLag[] = [];
  let failure: RelayError | undefined;
  try {
    await admin.connect();
    const ends = new TopicEnds(admin);
    for (const group of metrics.consumerGroups)
      try {
        lags.push(...(await readConsumerLag(admin, group, (name) => allowed.test(name), ends)).lags);
      } catch (error) {
        // The others are seen all the same: a right may be missing for one group.
        failure ??= asRelayError(error);
      }
  } catch (error) {
    failure = kafkaError(error, 'reading the offsets of consumer groups');
  } finally {
    void admin.disconnect().catch(() => {});
  }
  if (signal.aborted) return;
  observer.consumersSeen?.({ lags });
  if (failure !== undefined) throw failure;
}
