/** Finds the topics to audit. */
import type { Admin } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { allowList } from '../config/topic-patterns.ts';
import { assertVisible, listTopics } from './read-topics.ts';

/**
 * The topics of `topics.allow`. A listing leaves out topics that may not be seen, so topics that must exist are looked up
 * by name.
 * @throws RelayError KAFKA_UNAUTHORIZED
 */
export async function findTopics(config: Config, admin: Admin, routed: readonly string[]): Promise<string[]> {
  const allowed = allowList(config.topics.allow, config.kafka.progressTopic);
  const seen = (await listTopics(admin)).filter((topic) => allowed.test(topic));
  const named = [...config.topics.allow.filter((topic) => !topic.includes('*')), ...routed];
  await assertVisible(
    admin,
    named.filter((topic) => !seen.includes(topic)),
  );
  return seen;
}
