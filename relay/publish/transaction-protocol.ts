/** Says which of Kafka's transaction protocols the relay uses on this cluster, and why. */
import type { Kafka } from 'kafkajs';
import type { Config } from '../config/config.ts';
import { apis, apiVersionsRequest } from './lean/requests.ts';
import { latestLevel, noFeature } from './lean/transaction-version.ts';
import { decodeFeatures } from './wire/flexible-answers.ts';
import { Wire } from './wire/kafkajs-wire.ts';

/** @throws the client's errors */
export async function describeProtocol(
  kafka: Kafka,
  { producer, transactionVersion }: Config['publish'],
): Promise<string> {
  if (producer === 'kafkajs') return 'transaction protocol 1, which publish.producer kafkajs always uses';
  const level = await readLevel(kafka);
  const cluster = `transaction.version of the cluster is ${level}`;
  if (level < 2) return `transaction protocol 1, since ${cluster}`;
  if (transactionVersion === '1')
    return `transaction protocol 1, as publish.transactionVersion says; ${cluster}`;
  return `transaction protocol 2, since ${cluster}`;
}

async function readLevel(kafka: Kafka): Promise<number> {
  const wire = await Wire.open(kafka, []);
  try {
    const [id] = wire.someBrokerIds(1);
    if (id === undefined) return 0;
    const broker = await wire.broker(id);
    const { apiKey, apiVersion } = apis.apiVersions;
    if ((broker.versions[apiKey]?.maxVersion ?? 0) < apiVersion) return 0;
    return latestLevel(noFeature, await wire.send(broker, apiVersionsRequest(), decodeFeatures)).level;
  } finally {
    await wire.close();
  }
}
