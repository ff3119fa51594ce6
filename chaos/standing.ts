/**
 * Says whether Kafka itself keeps the consumer from the end: a partition whose last stable offset stands behind its end, and
 * markers that a broker left out. So that a fault of Kafka is not taken for one of the relay, nor the other way round.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { BrokerConnection, readEnds, readMetadata } from '../harness/kafka-wire.ts';
import { type Kafka, leftOutMarker } from '../stack/kafka.ts';
import { askAny } from './servers.ts';

const askMs = 2_000;
/** Between the two looks: no transaction of a relay is open for so long. */
const watchMs = 1_000;

/** Never fails: it explains what has failed. */
export async function describeStanding(kafka: Kafka, topics: readonly string[]): Promise<string> {
  const [standing, lines] = await Promise.all([
    standingPartitions(kafka, topics).catch((error: Error) => [`not known: ${error.message}`]),
    kafka.logLines(leftOutMarker).catch((error: Error) => [`not known: ${error.message}`]),
  ]);
  const own = lines.filter((line) => topics.some((topic) => line.includes(topic)));
  return [
    standing.length === 0 ? 'no partition stands behind its end' : standing.join(', '),
    own.length === 0
      ? `no broker logged "${leftOutMarker}"`
      : `${own.length} times a broker left markers out, last: ${own.at(-1)}`,
  ].join('; ');
}

/** Of which the last stable offset does not move within a second, and is behind the end. */
async function standingPartitions(kafka: Kafka, topics: readonly string[]): Promise<string[]> {
  const before = await ends(kafka, topics);
  await delay(watchMs);
  const after = await ends(kafka, topics);
  return [...after].flatMap(([name, { stable, all }]) => {
    if (stable === undefined || all === undefined) return [`${name} has no leader that tells its end`];
    return stable < all && before.get(name)?.stable === stable
      ? [`${name}: its last stable offset stands at ${stable}, its end is ${all}`]
      : [];
  });
}

type Ends = { stable: bigint | undefined; all: bigint | undefined };

async function ends(kafka: Kafka, topics: readonly string[]): Promise<Map<string, Ends>> {
  const { brokers, leaders } = await askAny(kafka, (connection) => readMetadata(connection, topics, askMs));
  const found = new Map<string, Ends>(
    leaders.map(({ topic, partition }) => [`${topic}/${partition}`, { stable: undefined, all: undefined }]),
  );
  for (const [nodeId, led] of Map.groupBy(leaders, (leader) => leader.nodeId)) {
    const address = brokers.get(nodeId);
    if (address === undefined) continue;
    const connection = await BrokerConnection.open(address, askMs);
    try {
      for (const [key, isStable] of [
        ['all', false],
        ['stable', true],
      ] as const)
        for (const { topic, partition, offset } of await readEnds(connection, led, isStable, askMs))
          found.get(`${topic}/${partition}`)![key] = offset;
    } finally {
      connection.close();
    }
  }
  return found;
}
