/**
 * A relay under a quota of Kafka: it says so, takes the abort of a transaction that is too large for the rate for what it
 * is, and makes its transactions smaller until they fit.
 */
import { expect, test } from 'vitest';
import { limitWriting } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';
import { idOf, World } from '../world.ts';

const eventBytes = 200_000;
/** Three times what the rate lets through before the broker aborts a transaction, at the least timeout there is. */
const events = 15;
const bytesPerSecond = 200_000;
const transactionTimeoutMs = 5_000;

test.concurrent.each(['lean', 'kafkajs'])(
  '%s gets a transaction through that is too large for its quota',
  {
    timeout: 100_000,
  },
  async (producer) => {
    await using world = await World.create(1);
    const clientId = unique('quota');
    await limitWriting(clientId, bytesPerSecond);
    const relay = world.startRelay({
      PUBLISH_PRODUCER: producer,
      KAFKA_CLIENT_ID: clientId,
      KAFKA_TRANSACTION_TIMEOUT_MS: transactionTimeoutMs,
      // The quota counts bytes as they are sent.
      PUBLISH_COMPRESSION: 'none',
    });
    await relay.streaming();
    const note = 'n'.repeat(eventBytes);
    const ids = await world.write(Array.from({ length: events }, (_, seq) => ({ key: 'k', seq, note })));

    const throttled = await relay.line(({ msg }) => msg.startsWith('Kafka throttles this client'));
    expect(throttled.throttleMs).toBeGreaterThan(0);
    expect((await relay.ready()).reason).toContain('Kafka throttles this client');
    await relay.line(({ err }) => err?.code === 'TRANSACTION_EXPIRED');
    const records = await world.read(ids);
    expect(records.map(idOf)).toEqual(ids);
    expect(await relay.metric('outbox_relay_kafka_throttle_seconds_total')).toBeGreaterThan(1);
    expect(relay.lines.flatMap(({ err }) => (err === undefined ? [] : [err.code]))).not.toContain(
      'PRODUCER_FENCED',
    );
    await limitWriting(clientId, undefined);
  },
);
