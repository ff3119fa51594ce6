/** Records that Kafka refuses each time: the relay says which setting is in the way, and stops rather than retry for ever. */
import { ConfigResourceTypes } from 'kafkajs';
import { expect, test } from 'vitest';
import { withAdmin } from '../../support/kafka.ts';
import { idOf, World } from '../world.ts';

/** So many in one transaction that the first is some ms old when it is sent, however late its time was taken. */
const events = 2_000;

async function setTopic(name: string, setting: string, value: string): Promise<void> {
  const configEntries = [{ name: setting, value }];
  const resources = [{ type: ConfigResourceTypes.TOPIC, name, configEntries }];
  await withAdmin((admin) => admin.alterConfigs({ validateOnly: false, resources }));
}

test.concurrent.each(['lean', 'kafkajs'])(
  '%s: a time that the topic refuses ends the relay with the setting named',
  async (producer) => {
    await using world = await World.create(1);
    const settings = { PUBLISH_PRODUCER: producer, RETRY_UNCLEAR_ATTEMPTS: 1 };
    // Younger than any record can be when it arrives.
    await setTopic(world.topic, 'message.timestamp.before.max.ms', '0');
    const relay = world.startRelay(settings);
    await relay.streaming();
    const ids = await world.write(Array.from({ length: events }, (_, seq) => ({ key: 'k', seq })));
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
