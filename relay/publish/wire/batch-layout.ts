/**
 * Where the fields of a record batch are, for whoever writes one and whoever reads it.
 * @see https://kafka.apache.org/documentation/#recordbatch
 */

/** Before its first record. */
export const batchHeaderBytes = 61;

/** From the start of the batch. */
export const batchField = {
  baseOffset: 0,
  length: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
} as const;

/** A bit of the attributes. */
export const transactionalAttribute = 0x10;
