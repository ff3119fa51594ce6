/** Questions to Kafka for people who wait for the answer. The client itself tries for longer. */
import type { AdminConfig } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { connectAdmin, createKafka } from '../connect/kafka.ts';
import { RelayError } from '../errors.ts';
import { withResolvers } from '../model/builtins.ts';
import { createLogger } from '../observe/log.ts';
// Patches kafkajs.
import '../publish/wire/kafkajs-internals.ts';
import type { KafkaContext } from './check/topics.ts';

type Patience = { readonly doing: string; readonly withinMs: number } & Pick<AdminConfig, 'retry'>;

/** @throws RelayError KAFKA_UNAVAILABLE where the answer takes longer than `withinMs`, and what `work` throws */
export async function withAdmin<Result>(
  config: Config,
  { doing, withinMs, ...options }: Patience,
  work: (context: KafkaContext) => Promise<Result>,
): Promise<Result> {
  const kafka = createKafka(config, createLogger('fatal'));
  const admin = kafka.admin(options);
  const { promise: late, reject } = withResolvers<never>();
  const timer = setTimeout(
    () => reject(new RelayError('KAFKA_UNAVAILABLE', `${doing}: no answer within ${withinMs / 1_000} s`)),
    withinMs,
  );
  try {
    const working = connectAdmin(admin).then(() => work({ kafka, admin, config }));
    return await Promise.race([working, late]);
  } finally {
    clearTimeout(timer);
    // Not waited for: a server that hangs does not say goodbye.
    void admin.disconnect().catch(() => {});
  }
}
