/**
 * Says which of Kafka's transaction protocols the relay uses on this cluster, and why, and whether its release loses the
 * ends of transactions.
 */
import type { Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { apis, apiVersionsRequest } from './lean/requests.ts';
import { latestLevel, noFeature } from './lean/transaction-version.ts';
import { decodeFeatures, type FinalizedFeatures } from './wire/flexible-answers.ts';
import { Wire } from './wire/kafkajs-wire.ts';

/** @throws the client's errors */
export async function describeProtocol(
  kafka: Kafka,
  { producer, transactionVersion }: Config['publish'],
): Promise<string> {
  if (producer === 'kafkajs') return 'transaction protocol 1, which publish.producer kafkajs always uses';
  const features = await readFeatures(kafka);
  const level = features === undefined ? 0 : latestLevel(noFeature, features).level;
  const cluster = `transaction.version of the cluster is ${level}`;
  if (level < 2) return `transaction protocol 1, since ${cluster}`;
  if (transactionVersion === '1')
    return `transaction protocol 1, as publish.transactionVersion says; ${cluster}`;
  return `transaction protocol 2, since ${cluster}`;
}

/** The highest `metadata.version` that brokers of 4.3 support. The number of the release itself they do not tell. */
const metadataVersionOf43 = 30;

/** Whether the cluster may be of Kafka 4.3.0 or 4.3.1, which can lose markers. @throws the client's errors */
export async function mayLoseMarkers(kafka: Kafka): Promise<boolean> {
  return (await readFeatures(kafka))?.supported.get('metadata.version') === metadataVersionOf43;
}

/** As one broker tells them; undefined if it knows none. */
async function readFeatures(kafka: Kafka): Promise<FinalizedFeatures | undefined> {
  const wire = await Wire.open(kafka, []);
  try {
    const [id] = wire.someBrokerIds(1);
    if (id === undefined) return undefined;
    const broker = await wire.broker(id);
    const { apiKey, apiVersion } = apis.apiVersions;
    if ((broker.versions[apiKey]?.maxVersion ?? 0) < apiVersion) return undefined;
    return await wire.send(broker, apiVersionsRequest(), decodeFeatures);
  } finally {
    await wire.close();
  }
}
