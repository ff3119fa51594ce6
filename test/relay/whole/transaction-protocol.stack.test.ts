/** A relay on a cluster whose `transaction.version` is moved: it follows, says so once each time, and loses nothing. */
import { expect, test } from 'vitest';
import { setFeature } from '../../../harness/kafka-feature.ts';
import type { Status } from '../../../relay/operations/status.ts';
import { startKafka } from '../../../stack/kafka.ts';
import { expectOnceInOrder } from '../once-in-order.ts';
import { World } from '../world.ts';

test('a relay follows the feature down and up again, and status, metric and log say which protocol it uses', {
  timeout: 200_000,
}, async (context) => {
  await using kafka = await startKafka({ quickStart: true });
  const setVersion = (level: number) => setFeature(kafka.brokers, 'transaction.version', level);
  const hasFeature = await setVersion(2).then(
    () => true,
    () => false,
  );
  if (!hasFeature) context.skip('this Kafka has no transaction protocol 2');
  await using world = await World.create(3, { brokers: kafka.brokers });
  // The relay asks again after two thirds of the timeout.
  const relay = world.startRelay({ PUBLISH_TRANSACTION_VERSION: 'auto', KAFKA_REQUEST_TIMEOUT_MS: 3_000 });
  await relay.streaming();
  const status = async () =>
    (JSON.parse((await world.command('status', '--json')).stdout) as Status).relays.find(
      ({ state }) => state === 'streaming',
    )?.facts.transactionVersion;
  const metric = () => relay.metric('outbox_relay_kafka_transaction_version');
  await expect.poll(status).toBe(2);
  expect(await metric()).toBe(2);
  expect(relay.lines.find(({ msg }) => msg === 'streaming')).toMatchObject({ transactionVersion: 2 });

  const ids: string[] = [];
  let seq = 0;
  for (const level of [1, 2, 1]) {
    await setVersion(level);
    // Its heartbeats too are transactions.
    await expect
      .poll(async () => {
        ids.push(...(await world.write([{ key: 'k', seq: seq++ }])));
        return await metric();
      })
      .toBe(level);
  }
  await expect.poll(status).toBe(1);
  expect((await world.command('status')).stdout).toContain(', transaction protocol 1');
  expectOnceInOrder(await world.read(ids), ids);
  const changes = relay.lines.filter(({ before }) => before !== undefined);
  expect(changes.map(({ transactionVersion, before }) => [before, transactionVersion])).toEqual([
    [2, 1],
    [1, 2],
    [2, 1],
  ]);
  expect(relay.lines.filter(({ err }) => err !== undefined)).toEqual([]);
});
