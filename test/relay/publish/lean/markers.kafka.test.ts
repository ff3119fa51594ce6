/**
 * A broker that alone holds a partition dies when a transaction ends: the marker of the transaction is left out there
 * (KAFKA-20734), and the next marker of the producer would decide about it.
 */
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { LeanPublisher } from '../../../../relay/publish/lean/lean-publisher.ts';
import { withNote } from '../../../../relay/publish/lean/marker-fate.ts';
import { nameStanding } from '../../../../relay/publish/lean/marker-memory.ts';
import { type MarkerFound, onMarkerFound } from '../../../../relay/publish/lean/markers.ts';
import {
  addPartitionsRequest,
  endRequest,
  type Producer,
  raiseEpochRequest,
} from '../../../../relay/publish/lean/requests.ts';
import { claimKey } from '../../../../relay/publish/progress-topic.ts';
import { decodeInitProducerId4 } from '../../../../relay/publish/wire/flexible-answers.ts';
import { decodeAddPartitions, decodeEndTxn } from '../../../../relay/publish/wire/kafkajs-internals.ts';
import { Wire } from '../../../../relay/publish/wire/kafkajs-wire.ts';
import {
  decodeEnds,
  decodeTransaction,
  endsRequest,
  type Place,
  transactionRequest,
} from '../../../../relay/publish/wire/questions.ts';
import { relayWriter } from '../../../../relay/publish/writer.ts';
import { type Kafka, startKafka } from '../../../../stack/kafka.ts';
import { createTopics, kafkaClient, readTopics } from '../../../support/kafka.ts';
import { unique } from '../../../support/unique.ts';
import { recordOf } from '../records.ts';
import { Scene } from './scene.ts';

const minutes = 60_000;
/** Dies and comes back. */
const fragile = 3;

let kafka: Kafka;
/** What a client may ask for while another topic has no leader. */
let steady: string;
beforeAll(async () => {
  kafka = await startKafka({ brokers: 3, quickStart: true });
  steady = await steadyTopic('steady');
});
afterAll(async () => {
  const scenes = outage === undefined ? [] : Object.values(outage.scenes);
  await Promise.all(scenes.map((scene) => scene[Symbol.asyncDispose]()));
  await kafka?.stop();
});

/** A topic that only the fragile broker has. */
const fragileTopic = (name: string) => topicOn(name, [fragile]);
/** One that another broker leads. */
const steadyTopic = (name: string) => topicOn(name, [1, 2, fragile]);

async function topicOn(name: string, replicas: number[]): Promise<string> {
  const topic = unique(name);
  const configEntries = [{ name: 'min.insync.replicas', value: '1' }];
  await createTopics(
    [{ topic, replicaAssignment: [{ partition: 0, replicas }], configEntries }],
    kafka.brokers,
  );
  return topic;
}

/** Whose transactions another broker coordinates. */
async function sceneElsewhere(settings: Record<string, string | number> = {}): Promise<Scene> {
  for (;;) {
    const progress = { KAFKA_PROGRESS_TOPIC: await steadyTopic('progress') };
    const scene = await Scene.open({ brokers: kafka.brokers, settings: { ...progress, ...settings } });
    if ((await coordinatorOf(scene)) !== fragile) return scene;
    await scene[Symbol.asyncDispose]();
  }
}

async function onWire<T>(scene: Scene, work: (wire: Wire) => Promise<T>): Promise<T> {
  const wire = await Wire.open(scene.kafka, [steady]);
  try {
    return await work(wire);
  } finally {
    await wire.close();
  }
}

function coordinatorOf({ transactionalId, kafka }: Scene): Promise<number> {
  return vi.waitFor(
    async () => {
      const wire = await Wire.open(kafka, [steady]);
      try {
        const { connectionPool } = await wire.coordinator(transactionalId);
        const port = connectionPool.pool[0].socket?.remotePort;
        return 1 + brokerPorts().indexOf(port ?? 0);
      } finally {
        await wire.close();
      }
    },
    { timeout: minutes, interval: 100 },
  );
}
const brokerPorts = () => kafka.brokers.map((address) => Number(address.split(':')[1]));

const stateOf = (scene: Scene): Promise<string> =>
  onWire(scene, async (wire) => {
    const coordinator = await wire.coordinator(scene.transactionalId);
    const { state } = await wire.send(
      coordinator,
      transactionRequest(scene.transactionalId),
      decodeTransaction,
    );
    return state;
  });

async function untilState(scene: Scene, wanted: string): Promise<void> {
  await vi.waitFor(async () => expect(await stateOf(scene)).toBe(wanted), { timeout: minutes, interval: 50 });
}

/** Whether a transaction has no marker in the partition, once the partition has a leader. */
function isUnfinished(scene: Scene, place: Place): Promise<boolean> {
  return vi.waitFor(
    () =>
      onWire(scene, async (wire) => {
        const leader = await wire.leader(place.topic, place.partition);
        const [stable, end] = await Promise.all(
          (['read_committed', 'read_uncommitted'] as const).map((isolation) =>
            wire.send(leader, endsRequest(isolation, [place]), decodeEnds),
          ),
        );
        expect(stable!.ends[0]?.errorCode).toBe(0);
        expect(end!.ends[0]?.errorCode).toBe(0);
        return stable!.ends[0]!.offset < end!.ends[0]!.offset;
      }),
    { timeout: minutes, interval: 50 },
  );
}

const event = (topic: string, number: number) => ({
  topic,
  key: `event ${number}`,
  headers: { id: `${number}`, type: 'Placed', position: `${number.toString(16).padStart(16, '0')}.00000000` },
});

const write = (publisher: LeanPublisher, topic: string, number: number): Promise<void> =>
  publisher.write(batchOf(publisher, topic, number));

function batchOf(publisher: LeanPublisher, topic: string, number: number) {
  const batch = publisher.newBatch();
  batch.append(recordOf(event(topic, number)));
  return batch;
}

/** Everything that is visible under `read_committed` before the record of this key. */
async function keysUntil(topic: string, last: string): Promise<(string | null)[]> {
  const records = await readTopics({
    topics: [topic],
    brokers: kafka.brokers,
    until: (read) => read.at(-1)?.key === last,
  });
  return records.map(({ key }) => key);
}

async function sendOther(topic: string, key: string): Promise<void> {
  const producer = (await kafkaClient(kafka.brokers)).producer();
  await producer.connect();
  await producer.send({ topic, messages: [{ key, value: '' }] });
  await producer.disconnect();
}

/** A publisher whose next progress is a claim to whoever reads it. */
const claiming = ({ kafka, config }: Scene): Promise<LeanPublisher> => {
  const writer = relayWriter(config);
  return LeanPublisher.fence(kafka, config, { ...writer, key: claimKey(writer.key) });
};

/** Aborts what is open, and fences its producer. */
const takeOver = (scene: Scene): Promise<unknown> =>
  onWire(scene, async (wire) => {
    const { transactionalId } = scene;
    const coordinator = await wire.coordinator(transactionalId);
    await vi.waitFor(() => coordinator.initProducerId({ transactionalId, transactionTimeout: 60_000 }), {
      timeout: minutes,
      interval: 20,
    });
  });

/** Scenes whose last transaction has no marker in a partition. */
type Outage = {
  readonly topics: Readonly<
    Record<'lost' | 'committed' | 'halfway' | 'quiet' | 'untold' | 'aborted' | 'covered' | 'steady', string>
  >;
  readonly scenes: Readonly<Record<Role, Scene>>;
  /** Its session goes on, although it has a successor. */
  readonly predecessor: LeanPublisher;
  /** Whether this Kafka leaves a marker out. */
  readonly hasFault: boolean;
};
type Role =
  | 'lost'
  | 'committed'
  | 'halfway'
  | 'quiet'
  | 'untold'
  | 'aborted'
  | 'covered'
  | 'claimed'
  | 'progressCommitted'
  | 'progressAborted';

let outage: Outage;
beforeAll(async () => {
  const topics = {
    lost: await fragileTopic('lost'),
    committed: await fragileTopic('committed'),
    halfway: await fragileTopic('halfway'),
    quiet: await fragileTopic('quiet'),
    untold: await fragileTopic('untold'),
    aborted: await fragileTopic('aborted'),
    covered: await fragileTopic('covered'),
    steady: await steadyTopic('events'),
  };
  const progress = {
    committed: await fragileTopic('progress'),
    aborted: await fragileTopic('progress'),
    claimed: await fragileTopic('progress'),
  };
  const scenes = {
    lost: await sceneElsewhere(),
    committed: await sceneElsewhere(),
    halfway: await sceneElsewhere(),
    quiet: await sceneElsewhere(),
    untold: await sceneElsewhere(),
    aborted: await sceneElsewhere(),
    covered: await sceneElsewhere(),
    claimed: await sceneElsewhere({ KAFKA_PROGRESS_TOPIC: progress.claimed }),
    progressCommitted: await sceneElsewhere({ KAFKA_PROGRESS_TOPIC: progress.committed }),
    progressAborted: await sceneElsewhere({
      KAFKA_PROGRESS_TOPIC: progress.aborted,
      KAFKA_TRANSACTION_TIMEOUT_MS: 5_000,
    }),
  };
  const begin = async (role: Role) => {
    if (role === 'claimed') return claiming(scenes.claimed);
    const publisher = await scenes[role].publisher();
    await publisher.claim(scenes[role].tail);
    return publisher;
  };
  const roles = Object.keys(scenes) as Role[];
  const opened = await Promise.all(roles.map(async (role) => [role, await begin(role)] as const));
  const publishers = Object.fromEntries(opened) as Record<Role, LeanPublisher>;
  await scenes.progressAborted.publish(publishers.progressAborted, [event(topics.steady, 0)]);
  for (const role of ['lost', 'committed', 'halfway', 'quiet', 'aborted', 'covered'] as const)
    await write(publishers[role], topics[role], 0);
  const foreign = publishers.untold.newBatch();
  foreign.append(recordOf({ topic: topics.untold, headers: { id: '0', type: 'Placed' } }));
  await publishers.untold.write(foreign);
  const failed = batchOf(publishers.progressAborted, topics.steady, 1);
  const died = publishers.progressAborted.commit(failed, scenes.progressAborted.progress(2), () => {
    throw new Error('the relay dies');
  });
  await expect(died).rejects.toThrow();
  const claim = publishers.claimed.commitText(publishers.claimed.newBatch(), 'claim', () => {
    throw new Error('the relay dies');
  });
  await expect(claim).rejects.toThrow();
  const last = batchOf(publishers.progressCommitted, topics.steady, 2);
  await publishers.progressCommitted.commit(last, scenes.progressCommitted.progress(1), () =>
    kafka.nodes[fragile - 1]!.kill('SIGKILL'),
  );
  for (const role of ['lost', 'committed', 'halfway', 'quiet', 'untold'] as const)
    await publishers[role].commit(publishers[role].newBatch(), scenes[role].progress(1));
  // A takeover aborts one transaction, its timeout the other. The relay itself would wait for a leader.
  await takeOver(scenes.aborted);
  await takeOver(scenes.covered);
  await takeOver(scenes.claimed);
  await Promise.all(
    (['lost', 'committed', 'halfway', 'quiet', 'untold', 'progressCommitted'] as const).map((role) =>
      untilState(scenes[role], 'CompleteCommit'),
    ),
  );
  await untilState(scenes.progressAborted, 'CompleteAbort');
  await kafka.nodes[fragile - 1]!.restart();
  const unfinished: boolean[] = [];
  const { lost, committed, halfway, quiet, untold, aborted, covered } = topics;
  for (const topic of [
    lost,
    committed,
    halfway,
    quiet,
    untold,
    aborted,
    covered,
    progress.committed,
    progress.aborted,
    progress.claimed,
  ])
    unfinished.push(await isUnfinished(scenes.lost, { topic, partition: 0 }));
  expect(new Set(unfinished).size, 'all or none').toBe(1);
  outage = { topics, scenes, predecessor: publishers.halfway, hasFault: unfinished[0]! };
}, 3 * minutes);

test('without the defence an abort loses what was committed', async ({ skip }) => {
  const { topics, scenes, hasFault } = outage;
  if (!hasFault) skip('this Kafka leaves no marker out');
  const { lost } = scenes;
  await onWire(lost, async (wire) => {
    const { transactionalId } = lost;
    const coordinator = await wire.coordinator(transactionalId);
    const identity = await coordinator.initProducerId({ transactionalId, transactionTimeout: 60_000 });
    const { producerEpoch } = identity;
    const producer = { transactionalId, producerId: BigInt(identity.producerId), producerEpoch };
    const places = [{ topic: topics.lost, partitions: [0] }];
    await wire.send(coordinator, addPartitionsRequest(producer, places), decodeAddPartitions);
    await wire.send(coordinator, endRequest(producer, false), decodeEndTxn);
  });
  await untilState(lost, 'CompleteAbort');
  await sendOther(topics.lost, 'last');
  expect(await keysUntil(topics.lost, 'last')).toEqual(['last']);
});

test('what was committed stays, though the next session dies in its first transaction', async () => {
  const { committed } = outage.scenes;
  const topic = outage.topics.committed;
  const second = await committed.publisher();
  expect((await second.claim(committed.tail))?.eventCount).toBe(1);
  await write(second, topic, 1);
  const third = await committed.publisher();
  await third.claim(committed.tail);
  await third.commit(batchOf(third, topic, 1), committed.progress(2));
  await sendOther(topic, 'last');
  expect(await keysUntil(topic, 'last')).toEqual(['event 0', 'event 1', 'last']);
});

test('what was committed stays, though its session and the coordinator died while they finished it', async () => {
  const { halfway } = outage.scenes;
  const topic = outage.topics.halfway;
  await onWire(halfway, async (wire) => {
    const { transactionalId } = halfway;
    const coordinator = await wire.coordinator(transactionalId);
    const found = await wire.send(coordinator, transactionRequest(transactionalId), decodeTransaction);
    const before: Producer = { transactionalId, producerId: found.producerId, producerEpoch: found.epoch };
    const timeoutMs = withNote(900_000, 'mending');
    const raised = await wire.send(coordinator, raiseEpochRequest(before, timeoutMs), decodeInitProducerId4);
    expect(raised).toMatchObject({ errorCode: 0, producerId: found.producerId });
    const places = [{ topic, partitions: [0] }];
    const producer = { ...before, producerEpoch: raised.producerEpoch };
    await wire.send(coordinator, addPartitionsRequest(producer, places), decodeAddPartitions);
  });
  const { predecessor } = outage;
  const again = predecessor.commit(batchOf(predecessor, topic, 1), halfway.progress(2));
  await expect(again).rejects.toMatchObject({ code: 'PRODUCER_FENCED' });
  expect(await stateOf(halfway)).toBe('Ongoing');
  const successor = await halfway.publisher();
  expect((await successor.claim(halfway.tail))?.eventCount).toBe(1);
  await successor.commit(batchOf(successor, topic, 1), halfway.progress(2));
  await sendOther(topic, 'last');
  expect(await keysUntil(topic, 'last')).toEqual(['event 0', 'event 1', 'last']);
});

/**
 * Has the next session commit progresses without events, as after heartbeats, until it has found something. A broker that
 * is just back may not answer the first time; the relay names what stands again with each look.
 */
async function heartbeatAfter(role: 'quiet' | 'untold'): Promise<MarkerFound[]> {
  const scene = outage.scenes[role];
  const publisher = await scene.publisher();
  expect((await publisher.claim(scene.tail))?.eventCount).toBe(1);
  const found: MarkerFound[] = [];
  onTestFinished(onMarkerFound((one) => void found.push(one)));
  for (let at = 2; found.length === 0; at++) {
    nameStanding(scene.kafka, scene.transactionalId, [{ topic: outage.topics[role], partition: 0 }]);
    await publisher.commit(publisher.newBatch(), scene.progress(at));
  }
  return found;
}

test('what was committed in a partition without new events becomes visible with the next progress', async ({
  skip,
}) => {
  const { topics, scenes, hasFault } = outage;
  if (!hasFault) skip('this Kafka leaves no marker out');
  const place = { topic: topics.quiet, partition: 0 };
  expect(await heartbeatAfter('quiet')).toEqual([{ ...place, did: 'commit' }]);
  expect(await isUnfinished(scenes.quiet, place)).toBe(false);
  await sendOther(topics.quiet, 'last');
  expect(await keysUntil(topics.quiet, 'last')).toEqual(['event 0', 'last']);
});

test('a partition where nobody can tell how a transaction ended delays no other, and stays as it is', async ({
  skip,
}) => {
  const { topics, scenes, hasFault } = outage;
  if (!hasFault) skip('this Kafka leaves no marker out');
  const place = { topic: topics.untold, partition: 0 };
  expect(await heartbeatAfter('untold')).toEqual([{ ...place, did: 'untold' }]);
  expect(await isUnfinished(scenes.untold, place)).toBe(true);
});

test('what was aborted and is published again appears once', async () => {
  const { scenes, topics } = outage;
  const successor = await scenes.aborted.publisher();
  expect(await successor.claim(scenes.aborted.tail)).toBeNull();
  await successor.commit(batchOf(successor, topics.aborted, 0), scenes.aborted.progress(1));
  await sendOther(topics.aborted, 'last');
  expect(await keysUntil(topics.aborted, 'last')).toEqual(['event 0', 'last']);
});

test('what was aborted appears once, though a progress covers it since: its events became dead letters', async () => {
  const { covered } = outage.scenes;
  const topic = outage.topics.covered;
  const second = await covered.publisher();
  expect(await second.claim(covered.tail)).toBeNull();
  await second.commit(second.newBatch(), covered.progress(1));
  const third = await covered.publisher();
  expect((await third.claim(covered.tail))?.eventCount).toBe(1);
  await third.commit(batchOf(third, topic, 0), covered.progress(2));
  await sendOther(topic, 'last');
  expect(await keysUntil(topic, 'last')).toEqual(['event 0', 'last']);
});

test('a claim alone holds nothing up, though nobody knows how its transaction ended', async () => {
  const { claimed } = outage.scenes;
  const publisher = await claimed.publisher();
  expect(await publisher.claim(claimed.tail)).toBeNull();
  await publisher.commit(publisher.newBatch(), claimed.progress(1));
});

test('a progress that was committed counts', async () => {
  const { progressCommitted } = outage.scenes;
  const publisher = await progressCommitted.publisher();
  expect((await publisher.claim(progressCommitted.tail))?.eventCount).toBe(1);
});

test('a progress that was aborted does not count', async () => {
  const { progressAborted } = outage.scenes;
  const publisher = await progressAborted.publisher();
  expect((await publisher.claim(progressAborted.tail))?.eventCount).toBe(1);
});
