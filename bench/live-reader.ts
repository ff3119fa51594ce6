/** The consumer of the live measurement, in a thread of its own so that writing does not delay what it notes. */
import { randomUUID } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { Kafka, logLevel } from 'kafkajs';
import { ignoreNegativeTimeouts } from '../relay/connect/kafkajs-warnings.ts';
import type { LiveReaderInput, LiveReaderQuestion, Receipts } from './live.ts';
import { nowMs } from './machine.ts';

const { brokers, topic } = workerData as LiveReaderInput;
const ids: string[] = [];
const atMs: number[] = [];

ignoreNegativeTimeouts();
const kafka = new Kafka({ clientId: 'bench-live', brokers: [...brokers], logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({
  groupId: `bench-${randomUUID()}`,
  readUncommitted: false,
  maxWaitTimeInMs: 100, // the broker answers at once when there is something
});
consumer.on(consumer.events.GROUP_JOIN, () => parentPort!.postMessage('ready'));
parentPort!.on('message', (question: LiveReaderQuestion) =>
  parentPort!.postMessage(question === 'count' ? ids.length : ({ ids, atMs } satisfies Receipts)),
);

await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
await consumer.run({
  autoCommit: false,
  async eachBatch({ batch }) {
    const at = nowMs();
    for (const { headers } of batch.messages) {
      ids.push(String(headers?.id));
      atMs.push(at);
    }
  },
});
