/** Whether Kafka has a topic, for people who may have mistyped it. Nothing depends on the answer, so nothing waits long. */
import type { Config } from '../config/config.ts';
import { withAdmin } from './with-admin.ts';

const patience = { doing: 'asking for a topic', withinMs: 3_000, retry: { retries: 0 } };

/** null where Kafka does not say in time. A topic that the user may not describe is as one that is not there. */
export function hasTopic(config: Config, topic: string): Promise<boolean | null> {
  const ask = withAdmin(config, patience, async ({ admin }) => (await admin.listTopics()).includes(topic));
  return ask.catch(() => null);
}
