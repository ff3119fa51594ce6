/**
 * Owns the positions of the fields of a record batch, for the writer and the reader.
 * @see https://kafka.apache.org/documentation/#recordbatch
 */

/** Size of the header, which precedes the first record. */
export const batchHeaderBytes = 61;

/** Offsets from the start of the batch. */
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

/** Bits of the attributes: the number of the codec, and whether the batch is part of a transaction. */
export const codecMask = 0x07;
export const transactionalAttribute = 0x10;
