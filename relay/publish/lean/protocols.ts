/** Lists what differs between Kafka's two transaction protocols. */

import { RelayError } from '../../errors.ts';
import { decodeEndTxn5, decodeProduce12 } from '../wire/flexible-answers.ts';
import {
  type Broker,
  type Decode,
  decodeEndTxn,
  decodeProduce,
  type EndTxnAnswer,
  type ProduceAnswer,
  type RequestName,
  supports,
} from '../wire/kafkajs-internals.ts';
import type { WireRequest } from '../wire/kafkajs-wire.ts';
import { nextIdentity } from './answers.ts';
import type { Framing } from './record-batch.ts';
import {
  apis,
  endRequest,
  endRequest2,
  type Producer,
  produceRequest,
  produceRequest2,
  type TopicFrames,
} from './requests.ts';

export type Protocol = {
  readonly version: 1 | 2;
  /** What the coordinator and the leaders must support. */
  readonly apis: readonly RequestName[];
  readonly framing: Framing;
  readonly produceRequest: (
    transactionalId: string,
    timeoutMs: number,
    topics: readonly TopicFrames[],
  ) => WireRequest;
  readonly decodeProduce: Decode<ProduceAnswer>;
  readonly endRequest: (producer: Producer, isCommit: boolean) => WireRequest;
  readonly decodeEndTxn: Decode<EndTxnAnswer>;
  /** Who the producer is in the next transaction. @throws RelayError PUBLISH_UNCERTAIN if the answer is unexpected */
  readonly next: (producer: Producer, answer: EndTxnAnswer) => Producer;
};

/** One epoch for all transactions of a producer. */
const protocol1: Protocol = {
  version: 1,
  apis: [apis.produce, apis.addPartitions, apis.endTxn],
  framing: 'fixed',
  produceRequest,
  decodeProduce,
  endRequest,
  decodeEndTxn,
  next: (producer) => producer,
};

/** A new epoch for each transaction, so that nothing of an earlier one can enter it. */
const protocol2: Protocol = {
  version: 2,
  apis: [apis.produce2, apis.addPartitions, apis.endTxn2, apis.raiseEpoch],
  framing: 'compact',
  produceRequest: produceRequest2,
  decodeProduce: decodeProduce12,
  endRequest: endRequest2,
  decodeEndTxn: decodeEndTxn5,
  next: nextIdentity,
};

export const protocols: Readonly<Record<1 | 2, Protocol>> = { 1: protocol1, 2: protocol2 };

/** @throws RelayError KAFKA_UNSUITABLE if the broker does not support our API versions */
export function checkSuitable(broker: Broker, { apis }: Protocol): void {
  const missing = apis.find((api) => !supports(broker, api));
  if (missing === undefined) return;
  throw new RelayError(
    'KAFKA_UNSUITABLE',
    `the broker does not support ${missing.apiName} version ${missing.apiVersion}`,
  );
}
