/** What the relay sees of transactions that stay open, on a real broker. To a consumer each of them looks as one that hangs. */
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createKafka } from '../../../relay/connect/kafka.ts';
import type { HangingTransaction, TransactionOwner } from '../../../relay/model/hanging-transaction.ts';
import type { Facts } from '../../../relay/observe/facts.ts';
import { OpenTransactions } from '../../../relay/publish/open-transactions.ts';
import { ensureProgressTopic } from '../../../relay/publish/progress-topic.ts';
import { StandingPartitions } from '../../../relay/publish/standing-partitions.ts';
import { transactionalIdOf } from '../../../relay/publish/transactional-id.ts';
import { blockedTopicsDuty } from '../../../relay/upkeep/blocked-topics.ts';
import { createTopic, createTopics, kafkaClient, withAdmin } from '../../support/kafka.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { configOf } from '../settings.ts';

type Seen = Facts['endsSeen'];

/** @param limitsMs after which a transaction hangs */
async function scene(limitsMs: Partial<Record<TransactionOwner, number>> = {}) {
  const topic = await createTopic('blocked', 3);
  const progressTopic = unique('progress');
  await withAdmin((admin) => ensureProgressTopic(admin, progressTopic));
  const { brokers } = await servers();
  const slot = unique('slot').replaceAll('-', '_');
  const config = configOf(
    { SLOT: slot, KAFKA_PROGRESS_TOPIC: progressTopic, TOPICS_ALLOW: topic },
    { brokers },
  );
  const seen: Seen[] = [];
  const duty = blockedTopicsDuty({
    config,
    kafka: createKafka(config, pino({ level: 'silent' })),
    observer: { endsSeen: (each) => void seen.push(each) },
    standing: new StandingPartitions(),
    hangsAfterMs: (owner) => limitsMs[owner] ?? 0,
  })!;
  const ending = new AbortController();
  onTestFinished(() => ending.abort());
  const look = async (): Promise<Seen> => {
    await duty.run(ending.signal);
    return seen.at(-1)!;
  };
  const begin = async (transactionalId: string, headers: Record<string, string> = {}, partition = 1) => {
    const producer = (await kafkaClient()).producer({
      transactionalId,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    await producer.connect();
    onTestFinished(() => producer.disconnect());
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ partition, value: 'v', headers }] });
    return transaction;
  };
  return { topic, progressTopic, look, seen, begin, ownId: transactionalIdOf(config) };
}

const blockedMsOf = ({ topics }: Seen, wanted: string) =>
  topics.find(({ topic }) => topic === wanted)?.blockedMs;
const only = ({ hanging }: Seen): HangingTransaction => {
  expect(hanging).toHaveLength(1);
  return hanging[0]!;
};

test('a topic is blocked from the look that sees an open transaction until the one after its end', async () => {
  const { topic, progressTopic, look, begin } = await scene({ relay: 1e9, other: 1e9, unknown: 1e9 });
  const before = await look();
  expect([blockedMsOf(before, topic), blockedMsOf(before, progressTopic)]).toEqual([0, 0]);
  const transaction = await begin(unique('other'));
  expect(blockedMsOf(await look(), topic)).toBe(0);
  const standing = await look();
  expect(blockedMsOf(standing, topic)).toBeGreaterThan(0);
  expect(blockedMsOf(standing, progressTopic)).toBe(0);
  expect(standing.hanging).toEqual([]);
  await transaction.commit();
  await expect.poll(async () => blockedMsOf(await look(), topic)).toBe(0);
});

test('whose transaction it is follows from the producer id, then from the record', async () => {
  const { topic, look, begin, ownId } = await scene();
  const place = { topic, partition: 1, offset: '0' };
  const foreign = await begin(unique('other'), { id: 'x', position: 'first' });
  expect(only(await look())).toMatchObject({
    ...place,
    owner: 'other',
    producerId: expect.stringMatching(/^\d+$/),
  });
  await foreign.abort();
  await expect.poll(async () => (await look()).hanging).toEqual([]);

  const own = await begin(ownId);
  expect(only(await look())).toMatchObject({ ...place, offset: '2', owner: 'relay' });
  await own.abort();
  await expect.poll(async () => (await look()).hanging).toEqual([]);

  // Of another slot, or of a producer id that this one had before.
  const another = await begin(unique('relay'), { id: 'x', position: '0000000000000001.00000000' });
  expect(only(await look())).toMatchObject({ ...place, offset: '4', owner: 'relay' });
  await another.abort();
});

test("a relay's transaction hangs sooner than that of somebody else", async () => {
  const { look, begin } = await scene({ other: 1e9 });
  const foreign = await begin(unique('other'));
  expect((await look()).hanging).toEqual([]);
  await foreign.abort();
  await begin(unique('relay'), { position: '0000000000000001.00000000' });
  await expect.poll(async () => (await look()).hanging).toMatchObject([{ owner: 'relay', offset: '2' }]);
});

test('a question about one transaction that fails takes no other away', async () => {
  const { look, seen, begin } = await scene();
  const known = await begin(unique('other'));
  expect(only(await look())).toMatchObject({ partition: 1, owner: 'other' });
  const further = await begin(unique('other'), {}, 0);
  const asking = vi.spyOn(OpenTransactions.prototype, 'ownerOf').mockRejectedValue(new Error('no answer'));
  onTestFinished(() => asking.mockRestore());
  await expect(look()).rejects.toThrow('no answer');
  const { topics, hanging } = seen.at(-1)!;
  expect(topics.length).toBeGreaterThan(0);
  expect(hanging).toContainEqual(expect.objectContaining({ partition: 1, owner: 'other' }));
  await known.abort();
  await further.abort();
});

test('topics beyond the limit are left out, and counted', async () => {
  const name = unique('many');
  const topics = ['a', 'b', 'c'].map((letter) => `${name}.${letter}`);
  await createTopics(topics.map((topic) => ({ topic, numPartitions: 1 })));
  const transactions = new OpenTransactions(await kafkaClient(), {
    own: [],
    isAllowed: (topic) => topic.startsWith(name),
    topicsMax: 2,
    transactionalId: name,
  });
  onTestFinished(() => transactions.close());
  expect((await transactions.look()).map(({ topic }) => topic)).toEqual(topics.slice(0, 2));
  expect(transactions.leftOut).toBe(1);
});
