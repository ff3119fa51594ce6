/**
 * How large a row may be, decided by its bytes and lengths alone, before it is parsed. These numbers bound the memory and
 * the time that a row from outside can cost.
 */
import type { Config } from './config.ts';

/**
 * JSON takes up to about four times the bytes of its Avro: long field names, numbers as text, escapes. The worst text
 * (`[[[…`) takes 31 times its bytes as objects, `{},{},…` 24 times. For a record of a megabyte, the largest that a topic
 * accepts by default, that is 125 MB. A container of 512 MB has room for that, for uncollected remains of the row before,
 * and for the texts and buffers of the rows in flight.
 */
const bytesPerRecordByte = 4;

/** Kafka's default of max.message.bytes. */
const usualRecordBytes = 1_048_588;

/** Most bytes of the columns of a row, as text, that the relay parses. */
export function maxRowBytesOf({
  maxRowBytes,
  maxRecordBytes,
}: Pick<Config['publish'], 'maxRowBytes' | 'maxRecordBytes'>): number {
  return maxRowBytes ?? bytesPerRecordByte * (maxRecordBytes ?? usualRecordBytes);
}

/** Most characters of an id and of a type, which go into headers, subjects and indexes. */
export const nameLengthMax = 1_000;
/** Most characters of an aggregateid, which is a key and stays in memory while it is parked. */
export const keyLengthMax = 10_000;
