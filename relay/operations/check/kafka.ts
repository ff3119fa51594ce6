/** What the relay needs of Kafka. Writes nothing: topics are validated, the transaction is empty. */
import type { ITopicConfig, Kafka } from 'kafkajs';
import type { Config } from '../../config/config.ts';
import { openCompressor } from '../../connect/compression/compressors.ts';
import { kafkaError, kafkaErrorType } from '../../connect/kafka.ts';
import { asRelayError, hints, RelayError } from '../../errors.ts';
import { counted } from '../../model/counted.ts';
import { readConsumerLag, TopicEnds } from '../../publish/consumer-lag.ts';
import { ProgressTail, progressTopicSettings } from '../../publish/progress-topic.ts';
import { isReadable, unwritableTopics, whyNoCoordinator } from '../../publish/rights.ts';
import { describeProtocol, mayLoseMarkers } from '../../publish/transaction-protocol.ts';
import { checkIdOf, transactionalIdOf } from '../../publish/transactional-id.ts';
import { judgeCompression } from './compression.ts';
import { kafkaEncryption } from './encryption.ts';
import { type Check, fail, ok, type Verdict, warn } from './finding.ts';
import { openTransactions } from './open-transactions.ts';
import {
  describeTopics,
  few,
  findEventTopics,
  judgeDurability,
  type KafkaContext,
  readSettings,
  safeReplicas,
} from './topics.ts';

type UsedContext = KafkaContext & {
  /** Whether Postgres says that a relay has streamed from the slot. */
  readonly isUsed: boolean;
};

type KafkaCheck = Check<UsedContext>;

const brokers: KafkaCheck = {
  name: 'brokers',
  async run({ admin }) {
    try {
      await admin.connect();
      const { brokers } = await admin.describeCluster();
      const found = `${brokers.length} (${brokers.map(({ host, port }) => `${host}:${port}`).join(', ')})`;
      if (brokers.length >= safeReplicas) return ok(found);
      return warn(
        found,
        'Run at least three brokers. With fewer, the loss of one can lose committed events or stop publishing.',
      );
    } catch (error) {
      throw kafkaError(error, 'connecting');
    }
  },
};

const progressTopic: KafkaCheck = {
  name: 'progress topic',
  async run(context) {
    const name = context.config.kafka.progressTopic;
    const [topic] = await describeTopics(context, [name]);
    const without = await judgeProgress(context, topic !== undefined);
    if (without !== undefined) return without;
    if (topic === undefined) return mayCreate(context, name, compacted);
    const settings = await readSettings(context, [name]);
    const { 'cleanup.policy': policy, 'min.insync.replicas': insync } = settings.get(name) ?? {};
    if (topic.partitions.length !== 1)
      return fail(
        `${name} has ${topic.partitions.length} partitions`,
        'The progress topic must have one partition. Choose another name in kafka.progressTopic.',
      );
    if (policy !== undefined && policy !== 'compact')
      return fail(
        `${name} has cleanup.policy=${policy}: Kafka would delete the progress`,
        `Run kafka-configs.sh --alter --topic ${name} --add-config cleanup.policy=compact`,
      );
    if (policy === undefined)
      return warn(
        `${name}: 1 partition; whether Kafka keeps the progress is not known, since its settings may not be read`,
        'Grant DescribeConfigs on it, or have somebody else look: cleanup.policy=compact, min.insync.replicas=2.',
      );
    return judgeDurability([{ topic, insync }], `${name}: compacted, 1 partition`);
  },
};

/** Of kafka.progressTopic, before each slot had its own. */
const formerDefault = 'outbox-relay.progress';

/** Of a topic without the progress of the slot: a first start writes it, any other ends with LINEAGE_PROGRESS_LOST. */
async function judgeProgress(context: UsedContext, isThere: boolean): Promise<Verdict | undefined> {
  const { kafka, config, isUsed } = context;
  const { name: slot } = config.slot;
  const { progressTopic: name } = config.kafka;
  const hasFormer = name !== formerDefault && (await describeTopics(context, [formerDefault])).length > 0;
  if (!hasFormer && !isUsed) return;
  if (isThere && (await hasProgress(kafka, name, slot))) return;
  const former = hasFormer ? await judgeFormerTopic(context) : undefined;
  if (former !== undefined || !isUsed) return former;
  const found = isThere ? `holds no progress for slot ${slot}` : 'does not exist';
  return fail(
    `${name} ${found}, although a relay has published from slot ${slot}`,
    hints.LINEAGE_PROGRESS_LOST,
  );
}

/** A start with a new topic leaves that topic behind, without a progress. */
async function judgeFormerTopic({ kafka, config }: KafkaContext): Promise<Verdict | undefined> {
  const found = `${config.kafka.progressTopic} holds no progress for slot ${config.slot.name}`;
  const fix = `set kafka.progressTopic to ${formerDefault}, where earlier releases kept the progress of every slot.`;
  try {
    if (!(await hasProgress(kafka, formerDefault, config.slot.name))) return;
  } catch (error) {
    if (kafkaError(error, '').code !== 'KAFKA_UNAUTHORIZED') throw error;
    return warn(
      `${found}; ${formerDefault} exists but may not be read`,
      `If the slot was used by an earlier release, ${fix}`,
    );
  }
  return fail(`${found}, but ${formerDefault} does`, `If that progress belongs to this database, ${fix}`);
}

/** @throws RelayError KAFKA_* where the topic cannot be read to its end */
async function hasProgress(kafka: Kafka, topic: string, slot: string): Promise<boolean> {
  const tail = new ProgressTail(kafka, { topic, slot });
  try {
    await tail.start();
    const isRead = await tail.read(progressReadMs);
    if (tail.crashed !== undefined) throw tail.crashed;
    if (!isRead && tail.latest === undefined)
      throw new RelayError(
        'KAFKA_UNAVAILABLE',
        `${topic} was not read to its end within ${progressReadMs} ms`,
      );
    return tail.latest !== undefined;
  } finally {
    await tail.stop();
  }
}

const progressReadMs = 5_000;

type NewTopic = Omit<ITopicConfig, 'topic'> & { readonly describe: string; readonly maker: string };

const compacted: NewTopic = {
  ...progressTopicSettings,
  describe: '1 partition, cleanup.policy=compact',
  maker: 'the first start creates it',
};

function eventTopicOf({ partitions, replicationFactor }: Config['topics']): NewTopic {
  return {
    numPartitions: partitions,
    replicationFactor,
    describe: counted(partitions, 'partition'),
    maker: 'the relay creates it when the first event needs it',
  };
}

/** Asks the broker to check the creation and not to do it. */
async function mayCreate(
  { admin }: KafkaContext,
  topic: string,
  { describe, maker, ...settings }: NewTopic,
): Promise<Verdict> {
  try {
    const request = { validateOnly: true, waitForLeaders: false, topics: [{ topic, ...settings }] };
    // False where it exists: brokers leave out of their lists what one may not describe.
    if (!(await admin.createTopics(request)))
      return fail(`${topic} exists, and the relay may not see it`, 'Grant Describe, Read and Write on it.');
    return ok(`${topic} does not exist; ${maker}`);
  } catch (error) {
    const failure = kafkaError(error, `asking whether ${topic} may be created`);
    if (failure.code !== 'KAFKA_UNAUTHORIZED') throw failure;
    return fail(
      `${topic} does not exist, and the relay may not create it`,
      `Create it (${describe}), or grant Create on it to the relay’s principal.`,
    );
  }
}

/** KAFKA-20734 */
const lostMarkers =
  'This cluster runs Kafka 4.3: if a partition loses its leader, 4.3.0 and 4.3.1 can also leave a transaction open there, and consumers under read_committed are stuck (see OutboxTransactionHanging in docs/guides/alerts.md).';

const eventTopics: KafkaCheck = {
  name: 'event topics',
  async run(context) {
    const { config } = context;
    const topics = await findEventTopics(context);
    if (topics.length === 0) {
      const found = `no topic matches topics.allow (${config.topics.allow.join(', ')})`;
      if (config.topics.create) return ok(`${found}; the relay creates topics when an event needs them`);
      return fail(found, 'Create the topics, or set topics.create to true.');
    }
    const settings = await readSettings(
      context,
      topics.map(({ name }) => name),
    );
    const verdict = judgeDurability(
      topics.map((topic) => ({ topic, insync: settings.get(topic.name)?.['min.insync.replicas'] })),
      `${topics.length === 1 ? '1 topic matches' : `${topics.length} topics match`} topics.allow (${config.topics.allow.join(', ')})`,
    );
    if (verdict.status === 'ok' || !(await mayLoseMarkers(context.kafka))) return verdict;
    return { ...verdict, fix: `${verdict.fix} ${lostMarkers}` };
  },
};

/** Names of topics come from rows, so the relay creates only so many. */
const topicLimit: KafkaCheck = {
  name: 'new topics',
  async run(context) {
    const { create, createMax, createPerMinute } = context.config.topics;
    if (!create) return ok('the relay creates none (topics.create is off)');
    const count = (await findEventTopics(context)).length;
    if (count < createMax)
      return ok(
        `the relay may create ${createMax - count} more, ${createPerMinute} a minute (topics.createMax, topics.createPerMinute)`,
      );
    return warn(
      `the relay may create none: ${count} exist, and topics.createMax is ${createMax}`,
      'Events for a topic that does not exist become dead letters. Raise topics.createMax, or create the topics yourself.',
    );
  },
};

const recordSize: KafkaCheck = {
  name: 'record size',
  async run(context) {
    const { maxRecordBytes } = context.config.publish;
    if (maxRecordBytes === undefined)
      return ok('max.message.bytes of each topic applies; publish.maxRecordBytes is not set');
    const names = (await findEventTopics(context)).map(({ name }) => name);
    const settings = await readSettings(context, names);
    const small = names.filter((name) => Number(settings.get(name)?.['max.message.bytes']) < maxRecordBytes);
    if (small.length === 0) return ok(`publish.maxRecordBytes ${maxRecordBytes} fits every topic`);
    return warn(
      `max.message.bytes is below publish.maxRecordBytes ${maxRecordBytes} on ${few(small)}`,
      'Raise it on these topics, or lower publish.maxRecordBytes. An event whose size lies in between becomes a dead letter.',
    );
  },
};

/** The relay reads every codec; this concerns other consumers. */
const compression: KafkaCheck = {
  name: 'compression',
  async run(context) {
    const { kafka, publish } = context.config;
    await openCompressor(publish.compression);
    const progressTopics = await describeTopics(context, [kafka.progressTopic]);
    const names = [...progressTopics, ...(await findEventTopics(context))].map(({ name }) => name);
    const settings = await readSettings(context, names);
    const types = new Map(names.map((name) => [name, settings.get(name)?.['compression.type']]));
    return judgeCompression(publish.compression, kafka.progressTopic, types);
  },
};

/** If the topic or the right to write to it is missing, a refused event holds up the stream. */
const deadLetterTopic: KafkaCheck = {
  name: 'dead-letter topic',
  async run(context) {
    const { deadLetters, topics, publish } = context.config;
    if (deadLetters.topic === undefined)
      return ok('deadLetters.topic is not set; dead letters are only in outbox.dead_letter');
    const name = deadLetters.topic;
    const [topic] = await describeTopics(context, [name]);
    if (topic === undefined) {
      if (topics.create) return mayCreate(context, name, eventTopicOf(topics));
      return fail(
        `${name} does not exist`,
        'Create it, set topics.create to true, or unset deadLetters.topic.',
      );
    }
    const { 'cleanup.policy': policy, ...settings } = (await readSettings(context, [name])).get(name) ?? {};
    if (policy?.includes('compact'))
      return warn(
        `${name} has cleanup.policy=${policy}: Kafka would keep only the last dead letter of each key`,
        `Run kafka-configs.sh --alter --topic ${name} --add-config cleanup.policy=delete`,
      );
    if (Number(settings['max.message.bytes']) < (publish.maxRecordBytes ?? 0))
      return warn(
        `max.message.bytes of ${name} is below publish.maxRecordBytes ${publish.maxRecordBytes}`,
        'Raise it. A dead letter whose size lies in between is copied to the topic without its payload.',
      );
    return judgeDurability([{ topic, insync: settings['min.insync.replicas'] }], name);
  },
};

/** With an id of its own, so that a running relay is not fenced. */
const transactions: KafkaCheck = {
  name: 'transactions',
  async run({ kafka, config }) {
    const transactionalId = checkIdOf(config);
    const producer = kafka.producer({
      transactionalId,
      transactionTimeout: config.kafka.transactionTimeoutMs,
      maxInFlightRequests: 1,
      idempotent: true,
    });
    try {
      await producer.connect();
      const transaction = await producer.transaction();
      await transaction.abort();
      const protocol = await describeProtocol(kafka, config.publish);
      return ok(`the cluster accepts transactional.id ${transactionalId}; the relay uses ${protocol}`);
    } catch (error) {
      const reason = await whyNoCoordinator(kafka, transactionalId, error);
      const failure = kafkaError(reason, 'beginning a transaction');
      if (failure.code === 'KAFKA_UNAUTHORIZED')
        return fail(
          failure.message,
          `Grant Write and Describe on transactional ids with the prefix ${transactionalIdOf(config)} to the relay’s principal.`,
        );
      if (kafkaErrorType(error) === 'INVALID_TRANSACTION_TIMEOUT')
        return fail(
          failure.message,
          'Lower kafka.transactionTimeoutMs to transaction.max.timeout.ms of the brokers, or below.',
        );
      throw failure;
    } finally {
      void producer.disconnect().catch(() => {});
    }
  },
};

/** Of topics that exist; whether others may be created is checked above. */
const topicRights: KafkaCheck = {
  name: 'topic rights',
  async run(context) {
    const { kafka, config } = context;
    const { progressTopic: progress, transactionTimeoutMs } = config.kafka;
    const eventTopics = (await findEventTopics(context)).map(({ name }) => name);
    const { topic: deadLetters } = config.deadLetters;
    const others = [progress, ...(deadLetters === undefined ? [] : [deadLetters])];
    const existing = (await describeTopics(context, others)).map(({ name }) => name);
    const hasProgress = existing.includes(progress);
    const topics = [...eventTopics, ...existing];
    if (topics.length === 0) return ok('no topic exists yet');
    try {
      const unwritable = await unwritableTopics(kafka, checkIdOf(config), transactionTimeoutMs, topics);
      const isUnreadable = hasProgress && !(await isReadable(kafka, progress));
      const missing = [
        ...(unwritable.length > 0 ? [`Write on ${few(unwritable)}`] : []),
        ...(isUnreadable ? [`Read on ${progress}`] : []),
      ];
      if (missing.length > 0)
        return fail(`missing: ${missing.join('; ')}`, 'Grant these to the relay’s principal.');
      return ok(
        `the relay may write to ${counted(topics.length, 'topic')}${hasProgress ? ` and read ${progress}` : ''}`,
      );
    } catch (error) {
      if (kafkaErrorType(error) === 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
        return { status: 'skipped', message: 'skipped, because it needs access to the transactional id' };
      throw kafkaError(error, 'asking for the rights on topics');
    }
  },
};

const consumerGroups: KafkaCheck = {
  name: 'consumer groups',
  async run({ admin, config }) {
    const groups = config.metrics.consumerGroups;
    if (groups.length === 0) return ok('metrics.consumerGroups names none; their lag is not measured');
    const ends = new TopicEnds(admin);
    const forbidden: string[] = [];
    const unknown: string[] = [];
    for (const group of groups)
      try {
        if ((await readConsumerLag(admin, group, () => true, ends)).lags.length === 0) unknown.push(group);
      } catch (error) {
        const failure = asRelayError(error);
        if (failure.code !== 'KAFKA_UNAUTHORIZED') throw failure;
        forbidden.push(group);
      }
    if (forbidden.length > 0)
      return fail(
        `the relay may not read the offsets of ${few(forbidden)}`,
        'Grant Describe on these groups to the relay’s principal, or remove them from metrics.consumerGroups.',
      );
    if (unknown.length > 0)
      return warn(
        `no offsets are committed by ${few(unknown)}`,
        'Their lag is absent until they commit. Look for a typing error in metrics.consumerGroups.',
      );
    return ok(`the relay may read the offsets of ${few(groups)}`);
  },
};

export const kafkaChecks: readonly KafkaCheck[] = [
  brokers,
  progressTopic,
  eventTopics,
  topicLimit,
  recordSize,
  compression,
  deadLetterTopic,
  transactions,
  topicRights,
  consumerGroups,
  openTransactions,
  kafkaEncryption,
];
