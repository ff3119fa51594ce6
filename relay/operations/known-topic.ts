/** Whether Kafka has a topic, for people who may have mistyped it. Nothing depends on the answer, so nothing waits long. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { createKafka } from '../connect/kafka.ts';
import { createLogger } from '../observe/log.ts';
// Patches kafkajs.
import '../publish/wire/kafkajs-internals.ts';

const answerWithinMs = 3_000;

/** null where Kafka does not say in time. A topic that the user may not describe is as one that is not there. */
export async function hasTopic(config: Config, topic: string): Promise<boolean | null> {
  const admin = createKafka(config, createLogger('fatal')).admin({ retry: { retries: 0 } });
  const ask = async () => {
    await admin.connect();
    return (await admin.listTopics()).includes(topic);
  };
  try {
    return await Promise.race([ask().catch(() => null), delay(answerWithinMs, null, { ref: false })]);
  } finally {
    void admin.disconnect().catch(() => {});
  }
}
