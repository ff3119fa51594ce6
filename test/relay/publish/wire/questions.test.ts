/** Requests and answers as Kafka's Java classes (4.3.1) write them; a flexible answer begins with the tags of its header. */
import { expect, test } from 'vitest';
import type { WireRequest } from '../../../../relay/publish/wire/kafkajs-wire.ts';
import {
  decodeEnds,
  decodeProducers,
  decodeTransaction,
  endsRequest,
  producersRequest,
  transactionRequest,
} from '../../../../relay/publish/wire/questions.ts';

const hexOf = ({ body }: WireRequest) => Buffer.concat(body).toString('hex');
const bytes = (hex: string) => Buffer.from(hex, 'hex');

const places = [
  { topic: 'orders', partition: 0 },
  { topic: 'orders', partition: 2 },
];

test('both ends are asked for in one request for each of them', () => {
  const rest =
    '0000000100066f726465727300000002' + '00000000ffffffffffffffffffffffff00000002ffffffffffffffffffffffff';
  expect(hexOf(endsRequest('read_committed', places))).toBe(`ffffffff01${rest}`);
  expect(hexOf(endsRequest('read_uncommitted', places))).toBe(`ffffffff00${rest}`);
});

test('a partition whose end is refused does not hide the others', async () => {
  const hex =
    '000000090000000100066f726465727300000002000000000000ffffffffffffffff000000012a05f20000000007' +
    '000000020006ffffffffffffffffffffffffffffffffffffffff';
  expect(await decodeEnds(bytes(hex))).toEqual({
    clientSideThrottleTime: 9,
    ends: [
      { topic: 'orders', partition: 0, errorCode: 0, offset: 5_000_000_000n },
      { topic: 'orders', partition: 2, errorCode: 6, offset: -1n },
    ],
  });
});

test('the questions for producers and for a transactional id', () => {
  expect(hexOf(producersRequest(places[1]!))).toBe('02076f726465727302000000020000');
  expect(hexOf(transactionRequest('outbox-relay.shop'))).toBe('02126f7574626f782d72656c61792e73686f7000');
});

test('of the producers of a partition, those that have a transaction open, and since which offset', async () => {
  const hex =
    '000000000902076f72646572730200000002000000030000000000001b5900000003000000040000000000000005000000' +
    '060000000000000029000000000000001b5a00000000ffffffffffffffffffffffffffffffffffffffffffffffff00000000';
  expect(await decodeProducers(bytes(hex))).toEqual({
    clientSideThrottleTime: 9,
    errorCode: 0,
    openSince: new Map([[7_001n, 41n]]),
  });
});

test('a missing right is told by its code', async () => {
  const hex = '000000000002076f72646572730200000002001d036e6f01000000';
  expect(await decodeProducers(bytes(hex))).toMatchObject({ errorCode: 29, openSince: new Map() });
});

test('a transactional id as its coordinator describes it, or does not know it', async () => {
  const hex =
    '0000000009020000126f7574626f782d72656c61792e73686f70084f6e676f696e670000ea60000000000000004d' +
    '0000000000001b59000302076f7264657273030000000100000002000000';
  expect(await decodeTransaction(bytes(hex))).toEqual({
    clientSideThrottleTime: 9,
    errorCode: 0,
    state: 'Ongoing',
    timeoutMs: 60_000,
    producerId: 7_001n,
    epoch: 3,
    places: [
      { topic: 'orders', partition: 1 },
      { topic: 'orders', partition: 2 },
    ],
  });
  expect(await decodeTransaction(bytes('00000000090100'))).toMatchObject({ errorCode: 105 });
});
