/** Moves features of a cluster, such as `transaction.version`, as `kafka-features` does, without starting a JVM. */
import { apiVersionsRequest } from '../relay/publish/lean/requests.ts';
import { decodeFeatures } from '../relay/publish/wire/flexible-answers.ts';
import { BrokerConnection } from './kafka-wire.ts';
import { waitFor } from './wait.ts';

const updateFeatures = 57;
const timeoutMs = 10_000;

/** Kinds of a change: a safe downgrade fails where data would be lost. */
const upgrade = 1;
const safeDowngrade = 2;

/**
 * Sets the finalized level, and waits until every broker has heard of it; 0 takes the feature away.
 * @throws unless the controller agrees
 */
export async function setFeature(brokers: readonly string[], name: string, level: number): Promise<void> {
  await changeFeature(brokers, name, level);
  for (const broker of brokers) {
    const isThere = async () => (await levelAt(broker, name)) === level;
    await waitFor(isThere, `${broker} to have ${name} at ${level}`, timeoutMs);
  }
}

async function levelAt(broker: string, name: string): Promise<number> {
  const { apiKey, apiVersion, body } = apiVersionsRequest();
  const connection = await BrokerConnection.open(broker, timeoutMs);
  try {
    // Its answer, unlike its request, has the header of old versions: the byte for the tags of the request goes first.
    const bytes = Buffer.concat([Buffer.from([0]), ...body]);
    const answer = await connection.request(apiKey, apiVersion, bytes, timeoutMs);
    return (await decodeFeatures(answer.rest)).levels.get(name) ?? 0;
  } finally {
    connection.close();
  }
}

async function changeFeature(brokers: readonly string[], name: string, level: number): Promise<void> {
  const connection = await BrokerConnection.open(brokers[0] ?? '', timeoutMs);
  try {
    const failures: string[] = [];
    for (const kind of [upgrade, safeDowngrade]) {
      const answer = await connection.request(updateFeatures, 1, body(name, level, kind), timeoutMs, true);
      answer.int32(); // throttle time
      const errorCode = answer.int16() || featureError(answer.rest);
      if (errorCode === 0) return;
      failures.push(`error ${errorCode}: ${answer.rest.toString('latin1').replace(/[^ -~]+/g, ' ')}`);
    }
    throw new Error(`${name} cannot be set to ${level}: ${failures.join('; ')}`);
  } finally {
    connection.close();
  }
}

/** A controller that agrees to the request may still refuse the one feature in it. @param rest after the error of all */
function featureError(rest: Buffer): number {
  const messageBytes = Math.max(0, rest.readInt8(0) - 1);
  const results = 1 + messageBytes;
  // From Kafka 4.0 on an answer without faults has no results.
  if (rest.readInt8(results) <= 1) return 0;
  const nameBytes = rest.readInt8(results + 1) - 1;
  return rest.readInt16BE(results + 2 + nameBytes);
}

function body(name: string, level: number, kind: number): Buffer {
  // The rest stays 0: no tags, not only a validation, no tags.
  const bytes = Buffer.alloc(4 + 1 + 1 + name.length + 2 + 1 + 3);
  let at = bytes.writeInt32BE(timeoutMs, 0);
  at = bytes.writeInt8(1 + 1, at); // one feature
  at = bytes.writeInt8(name.length + 1, at);
  at += bytes.write(name, at);
  at = bytes.writeInt16BE(level, at);
  bytes.writeInt8(kind, at);
  return bytes;
}
