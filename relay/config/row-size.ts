/**
 * How large a row may be, decided by its bytes and lengths alone, before anything is made of it. What a row from outside can
 * cost in memory and time rests on these numbers.
 */
import type { Config } from './config.ts';

/**
 * JSON takes up to some four times the bytes of its Avro: long names of fields, numbers as text, escapes. The worst text
 * (`[[[…`) takes 31 times its bytes as objects, `{},{},…` 24 times. For a record of a megabyte, the largest that a topic
 * takes by default, that is 125 MB: a container of 512 MB has room for it, for what is not collected yet of the row before,
 * and for the texts and buffers of the rows in flight.
 */
const bytesPerRecordByte = 4;

/** Kafka's default of max.message.bytes. */
const usualRecordBytes = 1_048_588;

/** Bytes of the columns of a row, as text, that the relay makes texts and objects of. */
export function maxRowBytesOf({
  maxRowBytes,
  maxRecordBytes,
}: Pick<Config['publish'], 'maxRowBytes' | 'maxRecordBytes'>): number {
  return maxRowBytes ?? bytesPerRecordByte * (maxRecordBytes ?? usualRecordBytes);
}

/** Characters of an id and of a type: names, which go into headers, subjects and indexes. */
export const nameLengthMax = 1_000;
/** Characters of an aggregateid, which is a key and stays in memory while it is parked. */
export const keyLengthMax = 10_000;
