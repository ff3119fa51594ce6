/**
 * Which events stand at the positions of a range. The table does not hold positions, only the records in Kafka do: so the
 * topics are read, and an event that Kafka has removed is not found.
 */
import { headerText, listTopics, readTopics, stableRanges, stallMsOf } from '../audit/read-topics.ts';
import { allowList } from '../config/topic-patterns.ts';
import type { Servers } from '../connect/servers.ts';
import { RequestInvalid } from '../errors.ts';
import type { Range } from './range.ts';

/** About 100 MB, which also travel to Postgres. */
const idsMax = 1_000_000;

/** @returns null if the range names no positions */
export async function idsAt(
  { config, kafka, admin }: Servers,
  { positions }: Range,
): Promise<string[] | null> {
  if (positions === null) return null;
  const { from, until } = positions;
  const allowed = allowList(config.topics.allow, config.kafka.progressTopic);
  const topics = (await listTopics(admin)).filter((topic) => allowed.test(topic));
  const ids = new Set<string>();
  await readTopics({
    kafka,
    ranges: await stableRanges(admin, topics),
    stallMs: stallMsOf(config),
    onRecords: (records) => {
      for (const { headers } of records) {
        // Of fixed width, so that they compare as texts.
        const position = headerText(headers, 'position');
        const id = headerText(headers, 'id');
        if (position === undefined || id === undefined) continue;
        if ((from !== null && position < from) || (until !== null && position >= until)) continue;
        ids.add(id);
        if (ids.size > idsMax)
          throw new RequestInvalid(
            `more than ${idsMax} events stand at these positions: use --from and --until`,
          );
      }
    },
  });
  return [...ids];
}
