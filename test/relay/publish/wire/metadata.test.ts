/** Requests as Kafka's Java classes (4.3.1) write them. */
import { expect, test } from 'vitest';
import { metadataRequest } from '../../../../relay/publish/wire/metadata.ts';

const hexOf = ({ body }: ReturnType<typeof metadataRequest>) => Buffer.concat(body).toString('hex');

test('all topics, some, or none; and no topic is created', () => {
  expect(hexOf(metadataRequest(undefined))).toBe('ffffffff00');
  expect(hexOf(metadataRequest(['orders']))).toBe('0000000100066f726465727300');
  expect(hexOf(metadataRequest([]))).toBe('0000000000');
});
