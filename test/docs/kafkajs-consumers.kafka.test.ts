/** The lines that the guide gives to consumers that use kafkajs, in a process of their own: nothing of the relay is in it. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createKafka } from '../../relay/connect/kafka.ts';
import { LeanPublisher } from '../../relay/publish/lean/lean-publisher.ts';
import { recordOf } from '../relay/publish/records.ts';
import { configOf } from '../relay/settings.ts';
import { createProgressTopic, createTopic } from '../support/kafka.ts';
import { servers } from '../support/servers.ts';
import { unique } from '../support/unique.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const guide = await readFile(join(root, 'docs/guides/kafka.md'), 'utf8');
const blocks = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!);
const linesFor = (codec: string) => blocks.find((code) => code.includes(`CompressionTypes.${codec}`))!;

const events = 200;

/** Publishes as the relay does. @returns the topic */
async function publish(settings: Readonly<Record<string, string>>): Promise<string> {
  const { brokers } = await servers();
  const names = { SLOT: unique('slot'), KAFKA_PROGRESS_TOPIC: unique('progress') };
  const config = configOf({ ...names, ...settings }, { brokers });
  await createProgressTopic(config.kafka.progressTopic);
  const topic = await createTopic('consumed');
  const publisher = await LeanPublisher.fence(createKafka(config, pino({ level: 'silent' })), config);
  const batch = publisher.newBatch();
  for (let n = 0; n < events; n++)
    batch.append(recordOf({ topic, key: `k${n}`, value: Buffer.from(`order ${n}, `.repeat(20)) }));
  await publisher.commitText(batch, '{}');
  await publisher.close();
  return topic;
}

/** @returns what the consumer prints: a line a record, and why it stopped */
async function consume(lines: string, topic: string): Promise<string[]> {
  const { brokers } = await servers();
  const code = `${lines}
    const kafka = new kafkajs.Kafka({ brokers: ${JSON.stringify(brokers)}, logLevel: kafkajs.logLevel.NOTHING });
    const consumer = kafka.consumer({ groupId: '${unique('docs')}' });
    // While the coordinator of groups loads, it starts again by itself.
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) end(payload.error.message);
    });
    const records = [];
    // An exit cuts off what is not written yet.
    const end = (text) => process.stdout.write(text, () => process.exit());
    await consumer.connect();
    await consumer.subscribe({ topics: ['${topic}'], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        records.push(message.key + ' ' + message.value.toString().slice(0, 9));
        if (records.length === ${events}) end(records.join('\\n'));
      },
    });`;
  const args = ['--no-warnings', '--input-type=module-typescript', '--eval', code];
  const { stdout } = await run(process.execPath, args, { cwd: root });
  return stdout.trim().split('\n');
}

const allRecords = Array.from({ length: events }, (_, n) => `k${n} ${`order ${n}, order`.slice(0, 9)}`);

test.concurrent.each([
  ['LZ4', 'by default', {}],
  ['ZSTD', 'with zstd', { PUBLISH_COMPRESSION: 'zstd' }],
])(
  'a kafkajs consumer stops at %s, which the relay writes %s, and reads it with the lines of the guide',
  async (name, _, settings) => {
    const topic = await publish(settings);
    const [without, withLines] = await Promise.all([
      consume("import kafkajs from 'kafkajs';", topic),
      consume(linesFor(name), topic),
    ]);
    expect(without).toEqual([`${name} compression not implemented`]);
    expect(withLines).toEqual(allRecords);
  },
);
