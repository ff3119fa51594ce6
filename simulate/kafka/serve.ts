/** What a broker answers to the requests that the relay encodes itself, in the version in which they came. */
import type { Server } from '../network.ts';
import type { Scheduler } from '../scheduler.ts';
import type { KafkaCluster } from './cluster.ts';
import {
  type DecodedRequest,
  encodeAddPartitionsAnswer,
  encodeApiVersionsAnswer,
  encodeDescribeProducersAnswer,
  encodeDescribeTransactionsAnswer,
  encodeEndTxnAnswer,
  encodeFetchAnswer,
  encodeInitAnswer,
  encodeListOffsetsAnswer,
  encodeMetadataAnswer,
  encodeProduceAnswer,
} from './codec.ts';
import { codes } from './codes.ts';

export type Served = {
  readonly cluster: KafkaCluster;
  readonly scheduler: Scheduler;
  /** The broker that got the request. */
  readonly server: Server;
};

type Answer = (payload: Buffer) => void;

/** The first versions whose clients know PRODUCER_FENCED and TRANSACTION_ABORTABLE, and the one that raises the epoch. */
const endTxnVersions = { fenced: 2, abortable: 4, bump: 5 };
const initVersions = { fenced: 4 };
const addVersions = { fenced: 2 };
const produceVersions = { abortable: 11 };

/** Older clients get the older code: KafkaApis. */
const asKnown = (error: number, version: number, { fenced }: { readonly fenced: number }): number =>
  error === codes.producerFenced && version < fenced ? codes.invalidProducerEpoch : error;

type Of<Api extends DecodedRequest['api']> = Extract<DecodedRequest, { readonly api: Api }>;

export function serveRequest(served: Served, request: DecodedRequest, answer: Answer): void {
  switch (request.api) {
    case 'Fetch':
      serveFetch(served, request, answer);
      break;
    case 'ApiVersions':
      answer(encodeApiVersionsAnswer(served.cluster.supported, request.version));
      break;
    case 'Metadata':
      serveMetadata(served, request, answer);
      break;
    case 'Produce':
      serveProduce(served, request, answer);
      break;
    case 'InitProducerId':
      serveInit(served, request, answer);
      break;
    case 'AddPartitionsToTxn':
      serveAdd(served, request, answer);
      break;
    case 'EndTxn':
      serveEnd(served, request, answer);
      break;
    case 'ListOffsets':
      serveListOffsets(served, request, answer);
      break;
    case 'DescribeProducers':
      serveDescribeProducers(served, request, answer);
      break;
    case 'DescribeTransactions':
      serveDescribeTransactions(served, request, answer);
      break;
  }
}

function serveMetadata({ cluster }: Served, { topics, version }: Of<'Metadata'>, answer: Answer): void {
  const known = topics.map((topic) => {
    const partitions = (cluster.partitions(topic) ?? []).map(({ partition, leader, isFenced }) => ({
      partition,
      leader: isFenced ? -1 : cluster.brokers.indexOf(leader),
    }));
    return { topic, error: partitions.length > 0 ? codes.none : codes.unknownTopic, partitions };
  });
  answer(encodeMetadataAnswer(known, version));
}

function serveProduce({ cluster }: Served, request: Of<'Produce'>, answer: Answer): void {
  const { version, batches } = request;
  const error = codes.transactionAbortable;
  if (version >= produceVersions.abortable && cluster.refusesAbortable())
    answer(
      encodeProduceAnswer(
        batches.map(({ topic, partition }) => ({ topic, partition, error, offset: -1 })),
        version,
      ),
    );
  else cluster.produce(request, (produced) => answer(encodeProduceAnswer(produced, version)));
}

function serveInit({ cluster, server }: Served, request: Of<'InitProducerId'>, answer: Answer): void {
  const { transactionalId, version, timeoutMs, producerId, epoch } = request;
  const expected = producerId === -1 ? undefined : { producerId, epoch };
  cluster.coordinator.initProducerId(transactionalId, { timeoutMs, expected }, server, (error, identified) =>
    answer(encodeInitAnswer(asKnown(error, version, initVersions), version, identified)),
  );
}

function serveAdd({ cluster, server }: Served, request: Of<'AddPartitionsToTxn'>, answer: Answer): void {
  const { transactionalId, version, partitions } = request;
  const places = partitions.map((place) => cluster.place(place));
  cluster.coordinator.addPartitions(transactionalId, request, places, 0, server, (error) =>
    answer(encodeAddPartitionsAnswer(partitions, asKnown(error, version, addVersions), version)),
  );
}

function serveEnd({ cluster, server }: Served, request: Of<'EndTxn'>, answer: Answer): void {
  const { transactionalId, version, producerId, epoch, isCommit } = request;
  if (version >= endTxnVersions.abortable && cluster.refusesAbortable()) {
    answer(encodeEndTxnAnswer(codes.transactionAbortable, version));
    return;
  }
  const transactionVersion = version >= endTxnVersions.bump ? 2 : 0;
  const ending = { producerId, epoch, isCommit, transactionVersion, isFromClient: true };
  cluster.coordinator.endTxn(transactionalId, ending, server, (error, identified) =>
    answer(encodeEndTxnAnswer(asKnown(error, version, endTxnVersions), version, identified)),
  );
}

/** The model has one replica: its end is the high watermark. */
function serveListOffsets({ cluster }: Served, request: Of<'ListOffsets'>, answer: Answer): void {
  const ends = request.partitions.map((place) => {
    const { hasLeader, stableOffset, end } = cluster.place(place);
    const error = hasLeader ? codes.none : codes.notLeader;
    return { ...place, error, offset: request.isCommitted ? stableOffset : end };
  });
  answer(encodeListOffsetsAnswer(ends, request.version));
}

/** Names one producer of each partition: the model has no other with an open transaction than the relay. */
function serveDescribeProducers({ cluster }: Served, request: Of<'DescribeProducers'>, answer: Answer): void {
  const described = request.partitions.map((place) => {
    const producer = cluster.place(place).firstOpen;
    return { ...place, error: codes.none, ...(producer === undefined ? {} : { producer }) };
  });
  answer(encodeDescribeProducersAnswer(described));
}

function serveDescribeTransactions(
  { cluster, server }: Served,
  { transactionalId }: Of<'DescribeTransactions'>,
  answer: Answer,
): void {
  const { error, transaction } = cluster.coordinator.describe(transactionalId, server);
  const described = transaction && { ...transaction, partitions: [...transaction.partitions] };
  answer(encodeDescribeTransactionsAnswer(transactionalId, error, described));
}

/** Answers when there is something to read, or when the wait is over. */
function serveFetch(
  { cluster, scheduler }: Served,
  { topic, partition, fromOffset, maxWaitMs, isCommitted }: Of<'Fetch'>,
  answer: Answer,
): void {
  const log = cluster.place({ topic, partition });
  if (!isCommitted) {
    answer(encodeFetchAnswer(log.fetchOpen(fromOffset)));
    return;
  }
  const reply = () => {
    log.listeners.delete(look);
    answer(encodeFetchAnswer(log.fetch(fromOffset)));
  };
  const look = () => {
    if (log.fetch(fromOffset).batches.length === 0) return;
    end.isCancelled = true;
    reply();
  };
  const end = scheduler.after(maxWaitMs, reply);
  log.listeners.add(look);
  look();
}
