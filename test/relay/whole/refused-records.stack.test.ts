/** Records that Kafka refuses each time: the relay says which setting is in the way, and stops rather than retry for ever. */
import { ConfigResourceTypes } from 'kafkajs';
import { expect, test } from 'vitest';
import { withAdmin } from '../../support/kafka.ts';
import { idOf, World } from '../world.ts';

/**
 * A session commits its first batch so long after it began, and by then the records, whose time is taken as they are
 * encoded, are older than the topic allows. The topic must allow some age: Kafka refuses its own transaction markers by the
 * same setting, and a coordinator whose marker was refused never ends that transaction.
 */
const lingerMs = 2_000;
const oldestMs = 500;

async function setTopic(name: string, setting: string, value: string): Promise<void> {
  const configEntries = [{ name: setting, value }];
  const resources = [{ type: ConfigResourceTypes.TOPIC, name, configEntries }];
  await withAdmin((admin) => admin.alterConfigs({ validateOnly: false, resources }));
}

test.concurrent.each(['lean', 'kafkajs'])(
  '%s: a time that the topic refuses ends the relay with the setting named',
  async (producer) => {
    await using world = await World.create(1);
    const settings = { PUBLISH_PRODUCER: producer, RETRY_UNCLEAR_ATTEMPTS: 1, PUBLISH_LINGER_MS: lingerMs };
    // Makes the slot, so that each session finds the events as it begins.
    const first = world.startRelay(settings);
    await first.streaming();
    first.signal('SIGTERM');
    expect((await first.exited).code).toBe(0);
    await setTopic(world.topic, 'message.timestamp.before.max.ms', String(oldestMs));
    const ids = await world.write(Array.from({ length: 20 }, (_, seq) => ({ key: 'k', seq })));
    const relay = world.startRelay(settings);
    const { err } = await relay.line((line) => line.err !== undefined);
    expect(err).toMatchObject({
      code: 'PUBLISH_REFUSED',
      message: expect.stringMatching(/INVALID_TIMESTAMP.*clocks/),
    });
    if (producer === 'lean') expect(err?.message).toContain(world.topic);
    expect((await relay.exited).code).toBe(78);
    expect(relay.lines.at(-1)?.err?.code).toBe('KAFKA_UNSUITABLE');

    await setTopic(world.topic, 'message.timestamp.before.max.ms', '3600000');
    world.startRelay(settings);
    expect((await world.read(ids)).map(idOf)).toEqual(ids);
  },
);
