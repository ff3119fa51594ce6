/** Owns how a partition is asked whether a transaction has no marker there, and for its first records. It changes nothing. */
import { codes } from '../wire/error-codes.ts';
import { committedRecords, decodeFetch, type FetchedRecord, fetchRequest } from '../wire/fetch.ts';
import { type Broker, protocolError } from '../wire/kafkajs-internals.ts';
import type { Wire } from '../wire/kafkajs-wire.ts';
import { decodeEnds, endsRequest, nameOf, type Place } from '../wire/questions.ts';
import type { Producer } from './requests.ts';

/** Partitions that one broker leads. */
export type Route = { readonly broker: Broker; readonly parts: readonly Place[] };

const maxReadBytes = 64 * 1024;

/** Which of the partitions hold a transaction without a marker, of any producer. */
export async function partitionsBehind(
  wire: Wire,
  { broker, parts }: Route,
): Promise<(Place & { readonly stableOffset: bigint })[]> {
  // One after the other on one connection: what is stable cannot go back, so the end must not be the older answer.
  const [end, stable] = await Promise.all([
    wire.send(broker, endsRequest('read_uncommitted', parts), decodeEnds),
    wire.send(broker, endsRequest('read_committed', parts), decodeEnds),
  ]);
  const ends = new Map(end.ends.map((one) => [nameOf(one), one]));
  return parts.flatMap(({ topic, partition }) => {
    const name = nameOf({ topic, partition });
    const stableEnd = stable.ends.find((one) => nameOf(one) === name);
    const wholeEnd = ends.get(name);
    for (const one of [wholeEnd, stableEnd])
      if (one === undefined || one.errorCode !== 0) throw refusal(one?.errorCode);
    const stableOffset = stableEnd!.offset;
    return stableOffset < wholeEnd!.offset ? [{ topic, partition, stableOffset }] : [];
  });
}

/** The first records that this producer has in its open transaction; none if it only added the partition. */
export async function firstRecords(
  wire: Wire,
  broker: Broker,
  place: Place,
  { producerId }: Producer,
  fromOffset: bigint,
): Promise<FetchedRecord[]> {
  const request = fetchRequest({
    ...place,
    fromOffset,
    maxWaitMs: 0,
    maxBytes: maxReadBytes,
    isUncommitted: true,
  });
  const { records } = committedRecords(await wire.send(broker, request, decodeFetch), fromOffset);
  return records.filter((record) => record.producerId === producerId);
}

function refusal(errorCode: number = codes.leaderNotAvailable): Error {
  return protocolError(errorCode === codes.topicAuthorizationFailed ? errorCode : codes.leaderNotAvailable);
}
