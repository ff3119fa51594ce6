/** Brokers die, freeze and come back; topics, rights and limits change under the relay. */
import kafkajs from 'kafkajs';
import { withAdmin } from '../../harness/kafka.ts';
import { setFeature } from '../../harness/kafka-feature.ts';
import type { KafkaNode } from '../../stack/kafka.ts';
import type { Arena, Fault } from '../fault.ts';
import { waitFor } from '../machine.ts';
import { relayPrincipal } from '../servers.ts';

/** A text that takes as many bytes on the wire as it has, since the relay compresses what it sends. */
const incompressible = ({ random }: Arena, length: number): string =>
  Array.from({ length }, () => String.fromCharCode(random.integer(0x23, 0x5b))).join('');

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ConfigResourceTypes, ResourcePatternTypes } =
  kafkajs;

type Role = {
  readonly name: string;
  readonly find: (arena: Arena) => Promise<KafkaNode>;
};

const roles: readonly Role[] = [
  {
    name: 'leader of a topic',
    find: ({ servers, topic, random }) => servers.leader(topic, random.integer(0, 3)),
  },
  {
    name: 'leader of the progress',
    find: ({ servers, progressTopic }) => servers.leader(progressTopic, 0),
  },
  {
    name: 'transaction coordinator',
    find: ({ servers, transactionalId }) => servers.coordinator(transactionalId),
  },
  { name: 'controller', find: ({ servers }) => servers.controller() },
];

const otherThan = ({ servers }: Arena, node: KafkaNode): KafkaNode[] =>
  servers.kafka.nodes.filter(({ id }) => id !== node.id);

export const kafkaFaults: readonly Fault[] = [
  ...roles.flatMap(({ name, find }): Fault[] => [
    {
      name: `${name} killed`,
      class: 'kafka',
      about: 'SIGKILL, some seconds with two brokers under load, then a restart',
      expect: 'recovers',
      isShort: name === 'transaction coordinator',
      async inject(arena) {
        const node = await find(arena);
        node.kill('SIGKILL');
        await arena.pause(arena.random.integer(0, 3_000));
        await node.restart();
      },
    },
    {
      name: `${name} frozen`,
      class: 'kafka',
      about: 'SIGSTOP for longer than the cluster waits before it elects others, then SIGCONT',
      expect: 'recovers',
      async inject(arena) {
        const node = await find(arena);
        node.kill('SIGSTOP');
        await arena.pause(arena.random.integer(5_000, 7_000));
        node.kill('SIGCONT');
      },
    },
  ]),
  {
    name: 'transaction coordinator restarted',
    class: 'kafka',
    about: 'a clean restart, as in a rolling upgrade',
    expect: 'recovers',
    inject: async (arena) => (await arena.servers.coordinator(arena.transactionalId)).restart(),
  },
  {
    name: 'a leader lost until the relay has caught up without it',
    class: 'kafka',
    about: 'SIGKILL of a leader; the time counts from the kill, and the other two brokers must suffice',
    expect: 'recovers',
    isAlone: true,
    withinMs: 15_000,
    async inject(arena) {
      const node = await arena.servers.leader(arena.topic, arena.random.integer(0, 3));
      node.kill('SIGKILL');
      const beganMs = performance.now();
      await arena.untilCaughtUp(60_000);
      const tookMs = performance.now() - beganMs;
      await node.restart();
      if (tookMs > doWithoutMs) throw new Error(`two brokers took ${Math.round(tookMs)} ms`);
    },
  },
  {
    name: 'min ISR lost',
    class: 'kafka',
    about:
      'two of three brokers are frozen for 6 s; Kafka itself needs seconds to elect leaders and to end open transactions',
    expect: 'recovers',
    isAlone: true,
    withinMs: 20_000,
    async inject(arena) {
      const { servers, topic, pause } = arena;
      const two = otherThan(arena, await servers.leader(topic, 0));
      for (const node of two) node.kill('SIGSTOP');
      await pause(6_000);
      for (const node of two) node.kill('SIGCONT');
    },
  },
  {
    name: 'two brokers killed',
    class: 'kafka',
    about:
      'min ISR and the controller quorum are lost; both are restarted, and Kafka needs its time to end open transactions',
    expect: 'recovers',
    isAlone: true,
    withinMs: 30_000,
    async inject(arena) {
      const { servers, topic, pause } = arena;
      const two = otherThan(arena, await servers.leader(topic, 0));
      for (const node of two) node.kill('SIGKILL');
      await pause(1_000);
      await Promise.all(two.map((node) => node.restart()));
    },
  },
  ...(['EVENTS_SENT', 'COMMIT_SENT'] as const).map(
    (place): Fault => ({
      name: `transaction coordinator killed at ${place}`,
      class: 'kafka',
      about: `the relay waits at ${place} while the coordinator is killed and restarted`,
      expect: 'recovers',
      isAlone: true,
      async inject(arena) {
        const { relays, servers, transactionalId, random } = arena;
        const relay = await relays.replace({ failpoint: `${place}:${random.integer(2, 9)}:pause:2000` });
        await relay.atFailpoint('reached');
        const node = await servers.coordinator(transactionalId);
        node.kill('SIGKILL');
        await node.restart();
      },
    }),
  ),
  {
    name: 'quota',
    class: 'kafka',
    about:
      'the client id of the relay may write a few kB/s while a Postgres transaction of a megabyte waits, so that Kafka aborts it for its duration; it must be published in smaller Kafka transactions',
    expect: 'recovers',
    world: { KAFKA_TRANSACTION_TIMEOUT_MS: 5_000 },
    withinMs: 120_000,
    async inject(arena) {
      const { load, pause } = arena;
      await setQuota(arena, `--add-config producer_byte_rate=${quotaBytesPerSecond}`);
      const note = incompressible(arena, 20_000);
      await load.commit(Array.from({ length: 50 }, () => load.event('throttled', { note })));
      await pause(15_000);
      await setQuota(arena, '--delete-config producer_byte_rate');
    },
  },
  {
    name: 'transaction.version lowered and raised',
    class: 'kafka',
    about:
      'the cluster goes from transaction protocol 2 to 1 and back, twice, and the relay follows each time',
    expect: 'recovers',
    world: { PUBLISH_TRANSACTION_VERSION: 'auto' },
    producer: 'lean',
    transactionVersion: 'auto',
    async inject({ servers, transactionalId, random, pause }) {
      const { kafka, network } = servers;
      const used = () => ((network.wiretap.commitsOf(transactionalId).at(-1)?.version ?? 0) >= 5 ? 2 : 1);
      const follows = (level: number) =>
        waitFor(() => used() === level, `a commit of transaction protocol ${level}`, 20_000);
      await follows(2);
      for (const level of [1, 2, 1, 2]) {
        await setFeature(kafka.brokers, 'transaction.version', level);
        await follows(level);
        await pause(random.integer(0, 1_000));
      }
    },
  },
  {
    name: 'transactional id expired',
    class: 'kafka',
    about:
      'the relay writes nothing for longer than transactional.id.expiration.ms, and Kafka forgets its id',
    expect: 'recovers',
    world: { CAPTURE_HEARTBEAT_MS: 60_000 },
    async inject({ load, pause }) {
      await load.pause();
      await pause(11_000); // 8 s, and the interval at which the coordinator looks
      load.resume();
    },
  },
  {
    name: 'record too large',
    class: 'kafka',
    about:
      'max.message.bytes of the topic drops below what the relay has read, and larger events are written',
    expect: 'recovers',
    world: {},
    mayDeadLetter: true,
    isShort: true,
    async inject(arena) {
      const { load, topic } = arena;
      await withAdmin(arena.servers.kafkaClient, (admin) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [
            {
              type: ConfigResourceTypes.TOPIC,
              name: topic,
              configEntries: [{ name: 'max.message.bytes', value: '20000' }],
            },
          ],
        }),
      );
      await load.commit([load.event('large', { note: incompressible(arena, 30_000) }), load.event('large')]);
    },
  },
  {
    name: 'topic deleted and recreated',
    class: 'kafka',
    about:
      'while nothing is written; later events must be in the new topic, or dead-lettered while there is none',
    expect: 'recovers',
    world: {},
    mayDeadLetter: true,
    async inject(arena) {
      const { load, topic, untilCaughtUp } = arena;
      await untilCaughtUp(20_000);
      await load.pause();
      await waitFor(() => arena.oracle.awaited.size === 0, 'all to be published', 20_000);
      await arena.untilAudited(20_000);
      await withAdmin(arena.servers.kafkaClient, async (admin) => {
        await admin.deleteTopics({ topics: [topic] });
        load.resume();
        await arena.pause(1_000);
        await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: 4 }] });
      });
    },
  },
  {
    name: 'progress topic deleted',
    class: 'kafka',
    about: 'what is published is no longer known: the relay must halt, and must not start from the beginning',
    expect: { haltsWith: ['LINEAGE_PROGRESS_LOST'] },
    world: {},
    async inject(arena) {
      const { load, oracle } = arena;
      // The topic is evidence: the consumer must have read it first.
      await load.pause();
      await waitFor(() => oracle.awaited.size === 0 && oracle.isProgressSeen, 'all to be read', 20_000);
      oracle.watchSlot(false);
      await withAdmin(arena.servers.kafkaClient, (admin) =>
        admin.deleteTopics({ topics: [arena.progressTopic] }),
      );
      load.resume();
    },
  },
  ...(
    [
      ['to write to the topic', AclResourceTypes.TOPIC],
      ['to the transactional id', AclResourceTypes.TRANSACTIONAL_ID],
    ] as const
  ).map(
    ([name, resourceType]): Fault => ({
      name: `right ${name} revoked`,
      class: 'kafka',
      about: 'an ACL denies it; once the ACL is removed, the relay is restarted',
      expect: { haltsWith: ['KAFKA_UNAUTHORIZED'] },
      async inject(arena) {
        await withAdmin(arena.servers.kafkaClient, (admin) =>
          admin.createAcls({ acl: denials(arena).filter((acl) => acl.resourceType === resourceType) }),
        );
      },
      async repair(arena) {
        await withAdmin(arena.servers.kafkaClient, (admin) =>
          admin.deleteAcls({
            filters: denials(arena).filter((acl) => acl.resourceType === resourceType),
          }),
        );
      },
    }),
  ),
];

const doWithoutMs = 15_000;

/** A tenth of what gets a megabyte through before Kafka aborts its transaction. */
const quotaBytesPerSecond = 20_000;

/** Of the default client id, with Kafka's own tools, because kafkajs has no such request. */
async function setQuota({ servers: { kafka } }: Arena, change: string): Promise<void> {
  await kafka.tool('kafka.admin.ConfigCommand', [
    ...['--bootstrap-server', kafka.brokers.join(',')],
    ...['--alter', '--entity-type', 'clients', '--entity-name', 'outbox-relay'],
    ...change.split(' '),
  ]);
}

/** What the relay may be denied in this world. */
function denials({ topic, transactionalId }: Arena) {
  const common = {
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: relayPrincipal,
    host: '*',
    operation: AclOperationTypes.WRITE,
    permissionType: AclPermissionTypes.DENY,
  };
  return [
    { ...common, resourceType: AclResourceTypes.TOPIC, resourceName: topic },
    { ...common, resourceType: AclResourceTypes.TRANSACTIONAL_ID, resourceName: transactionalId },
  ];
}
