/** The consumer of the live measurement, in a thread of its own so that writing does not delay what it notes. */
import { parentPort, workerData } from 'node:worker_threads';
import { kafkaClient } from '../harness/kafka.ts';
import { TopicReader } from '../harness/topic-reader.ts';
import { ignoreNegativeTimeouts } from '../relay/connect/kafkajs-warnings.ts';
import type { LiveReaderInput, LiveReaderQuestion, Receipts } from './live.ts';
import { nowMs } from './machine.ts';

const { brokers, topic } = workerData as LiveReaderInput;
const ids: string[] = [];
const atMs: number[] = [];
let batchAtMs = 0;

ignoreNegativeTimeouts();
const reader = new TopicReader({
  kafka: kafkaClient(brokers, 'bench-live'),
  topics: [topic],
  onBatch: () => {
    batchAtMs = nowMs();
  },
  onRecord: (_topic, _partition, { headers }) => {
    ids.push(String(headers?.id));
    atMs.push(batchAtMs);
  },
});
parentPort!.on('message', (question: LiveReaderQuestion) =>
  parentPort!.postMessage(question === 'count' ? ids.length : ({ ids, atMs } satisfies Receipts)),
);
await reader.start();
parentPort!.postMessage('ready');
