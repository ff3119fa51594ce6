/**
 * Asks a broker which topics there are and who leads their partitions. kafkajs gives up on all of them, after minutes,
 * where one topic is missing or one partition has no leader.
 * @see https://kafka.apache.org/protocol#The_Messages_Metadata
 */
import { Fields, textBytes } from './fields.ts';
import { decodeMetadata, type MetadataAnswer } from './kafkajs-internals.ts';
import type { WireRequest } from './kafkajs-wire.ts';

export { decodeMetadata, type MetadataAnswer };

/** @param topics undefined: all that the relay may see */
export function metadataRequest(topics: readonly string[] | undefined): WireRequest {
  const names = topics ?? [];
  const fields = new Fields(5 + names.reduce((sum, name) => sum + textBytes(name), 0));
  fields.int32(topics === undefined ? -1 : names.length);
  for (const name of names) fields.string(name);
  fields.byte(0); // creates none
  return { apiKey: 3, apiName: 'Metadata', apiVersion: 5, body: [fields.bytes] };
}
