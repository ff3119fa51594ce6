/**
 * Both of Kafka's transaction protocols on a broker of whatever version: which one a producer uses there, requests that
 * come late, and markers that are slow. `KAFKA_VERSION` chooses the version.
 */
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { setFeature } from '../../../../harness/kafka-feature.ts';
import { type KafkaApi, TcpProxy } from '../../../../harness/tcp-proxy.ts';
import { describeProtocol } from '../../../../relay/publish/transaction-protocol.ts';
import { type Kafka, startKafka } from '../../../../stack/kafka.ts';
import { failureOf } from '../../../support/code-of.ts';
import { kafkaClient } from '../../../support/kafka.ts';
import { configOf } from '../../settings.ts';
import { ProtocolScene } from './protocol-scene.ts';

let kafka: Kafka;
/** Between the broker and everybody who learned its address from it: the producers, and itself. */
let proxy: TcpProxy;
let hasFeature = true;

beforeAll(async () => {
  proxy = await TcpProxy.open(0, true);
  kafka = await startKafka({
    quickStart: true,
    nodeSettings: ({ port }) => {
      proxy.targetPort = port;
      return { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.port}` };
    },
  });
  hasFeature = await setFeature(kafka.brokers, 'transaction.version', 2).then(
    () => true,
    () => false,
  );
});
afterAll(async () => {
  await kafka?.stop();
  await proxy?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  proxy.listen = () => ({ fromClient: hear, fromServer: () => onAnswer() });
  onAnswer = () => {};
});

/** Requests that connections have sent, by API and version. */
const requests = new Map<string, number>();
let onAnswer = () => {};

function countRequests(): (api: number, version: number) => number {
  requests.clear();
  return (api, version) => requests.get(`${api} ${version}`) ?? 0;
}

/** A request that comes in several chunks is counted by the first; what else a chunk holds is not. */
function hear(chunk: Buffer): void {
  if (chunk.length < 8) return;
  const name = `${chunk.readInt16BE(4)} ${chunk.readInt16BE(6)}`;
  requests.set(name, (requests.get(name) ?? 0) + 1);
}

test('a producer uses protocol 2 where the cluster has it, and else protocol 1', async () => {
  await using scene = await ProtocolScene.open(kafka.brokers, 3);
  const best = hasFeature ? 2 : 1;
  for (const [keys, version, used] of [
    ['abc', 'auto', best],
    ['def', '1', 1],
    ['ghi', 'auto', best],
  ] as const) {
    const producer = await scene.producer(version);
    await scene.commit(producer, keys);
    await scene.commit(producer, keys.toUpperCase());
    expect(producer.transactionVersion).toBe(used);
  }
  expect([...(await scene.keys())].sort().join('')).toBe('ABCDEFGHIabcdefghi');
  const { publish } = configOf({ PUBLISH_TRANSACTION_VERSION: 'auto' });
  const said = await describeProtocol(await kafkaClient(kafka.brokers), publish);
  expect(said).toMatch(new RegExp(`^transaction protocol ${best}, since transaction.version`));
});

/** Holds the next request of a client; `deliver` resolves when the broker has answered it. */
function holdNext(api: KafkaApi) {
  const held = proxy.hold(api);
  const answered = Promise.withResolvers<void>();
  return {
    met: held.met,
    deliver(): Promise<void> {
      onAnswer = answered.resolve;
      held.release();
      return answered.promise;
    },
  };
}

/** Where the cluster lacks protocol 2, all of them are protocol 1. */
const ways = [
  ['protocol 1', '1', {}],
  ['protocol 2', 'auto', { addsFirst: () => true }],
  ['protocol 2, where the leader adds the partition', 'auto', { addsFirst: (spoken: 1 | 2) => spoken === 1 }],
] as const;

test.each(ways.flatMap((way) => (['Produce', 'EndTxn'] as const).map((api) => [api, ...way] as const)))(
  '%s that comes after a takeover changes nothing of the next transaction (%s)',
  async (api, _, version, own) => {
    await using scene = await ProtocolScene.open(kafka.brokers);
    const first = await scene.producer(version, own);
    await scene.commit(first, 'a');
    const late = holdNext(api);
    const doubtful = failureOf(scene.commit(first, 'x'));
    await late.met;
    await first.close();
    expect((await doubtful).code).toBe('PUBLISH_UNCERTAIN');
    const second = await scene.producer(version, own);
    await scene.commit(second, 'b', { sent: () => late.deliver() });
    await scene.commit(second, 'c');
    expect(await scene.keys()).toBe('abc');
  },
);

test.each(ways)(
  'while the markers of a transaction are not written, the next one waits (%s)',
  async (_, version, own) => {
    await using scene = await ProtocolScene.open(kafka.brokers);
    const producer = await scene.producer(version, own);
    await scene.commit(producer, 'a');
    await scene.keys();
    const asked = countRequests();
    const markers = proxy.hold('WriteTxnMarkers');
    await scene.commit(producer, 'b');
    await markers.met;
    const next = scene.commit(producer, 'c');
    // The producer's own requests have version 1; brokers send each other a later one.
    await vi.waitFor(() => expect(asked(24, 1)).toBeGreaterThan(3), { timeout: 30_000, interval: 5 });
    markers.release();
    await next;
    expect(await scene.keys()).toBe('abc');
  },
);
