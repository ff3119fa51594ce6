/** Records and a slot laid out as a connector of Debezium leaves them; `npm run adopt:kills` has a real one. */
import pino from 'pino';
import { expect, test } from 'vitest';
import { compareIds } from '../../../../harness/deliveries.ts';
import { settingsEnv } from '../../../../harness/relay-process.ts';
import { Capture } from '../../../../relay/capture/capture.ts';
import { loadConfig } from '../../../../relay/config/config.ts';
import { partitionOf } from '../../../../relay/encode/murmur2.ts';
import {
  adoptDebezium,
  type TakeOver,
  type TakeOverOptions,
} from '../../../../relay/operations/adopt/debezium.ts';
import { removeRecords } from '../../../support/kafka.ts';
import { type Item, idOf, World } from '../../world.ts';
import { LeftConnector } from './connector.ts';

const items = (key: string, count: number, from = 0): Item[] =>
  Array.from({ length: count }, (_, n) => ({ key, seq: from + n }));

/** One transaction for each item. @returns them with their ids */
async function write(world: World, all: readonly Item[]): Promise<(Item & { id: string })[]> {
  const written = [];
  for (const item of all) written.push({ ...item, id: (await world.write([item]))[0]! });
  return written;
}

async function slotNames(world: World): Promise<string[]> {
  const { rows } = await world.pool.query<{ name: string }>(
    'select slot_name as name from pg_replication_slots where database = current_database() order by 1',
  );
  return rows.map(({ name }) => name);
}

/** Through the command line. */
const adopt = (world: World, connector: LeftConnector, ...options: string[]) =>
  world.command('adopt', 'debezium', ...connector.options, ...options);

/** In this process. */
async function takeOver(
  world: World,
  { slot, publication }: LeftConnector,
  given: Partial<TakeOverOptions> = {},
): Promise<TakeOver> {
  const options: TakeOverOptions = {
    config: loadConfig({ env: world.env }).config,
    log: pino({ level: 'silent' }),
    isDryRun: false,
    slot,
    publication,
    unjudged: 'refuse',
    overtaken: 'refuse',
    acceptsOtherKeys: false,
    acceptsOtherHeaders: false,
    dropsSlot: false,
    onStage: () => {},
    ...given,
  };
  return (await adoptDebezium(options, { person: 'somebody', reason: null })) as TakeOver;
}

test('what a connector left unpublished is published once and in order, deleted rows too, and a relay goes on', {
  timeout: 240_000,
}, async () => {
  await using world = await World.create();
  await using connector = await LeftConnector.create(world);
  const confirmed = await write(world, items('a', 3));
  await connector.publish(confirmed);
  await connector.confirm();
  const position = await connector.confirmedLsn();
  const unconfirmed = await write(world, [...items('a', 2, 3), ...items('b', 2)]);
  // Without exactly-once delivery a connector publishes some twice.
  await connector.publish([...unconfirmed, unconfirmed[3]!]);
  const left = await write(world, [...items('b', 2, 2), ...items('c', 2)]);
  const deleted = await world.write(items('d', 3));
  await world.pool.query('delete from outbox.event where id = any ($1)', [deleted]);

  const shown = await takeOver(world, connector, { isDryRun: true });
  expect(shown).toMatchObject({
    outcome: 'dry-run',
    doubts: [],
    connector: { slot: connector.slot, confirmedLsn: position },
    tail: { events: 11, published: 4, duplicates: 1, missing: { count: 7 }, overtaken: { count: 0 } },
  });
  expect(shown.tail.missing.ids).toEqual([...left.map(({ id }) => id), ...deleted]);
  expect(await slotNames(world)).toEqual([connector.slot]);

  const adopted = await adopt(world, connector, '--by', 'somebody', '--reason', 'we move');
  expect(adopted, adopted.stderr).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^result +adopted: 7 events published$/m),
  });
  expect(await connector.confirmedLsn()).toBe(position);
  expect(await slotNames(world)).toEqual([connector.slot, world.slot].toSorted());
  const { rows: trail } = await world.pool.query(
    `select target, person, note from outbox.action where action = 'adopt'`,
  );
  expect(trail).toEqual([{ target: 'debezium', person: 'somebody', note: 'we move' }]);
  await expect(takeOver(world, connector)).rejects.toThrow('has ended');

  const relay = world.startRelay();
  await relay.streaming();
  const later = await write(world, [...items('a', 1, 5), ...items('c', 1, 2)]);
  const all = [...confirmed, ...unconfirmed, ...left, ...later].map(({ id }) => id).concat(deleted);
  const records = await world.read(all);
  expect(compareIds(records.map(idOf), all)).toEqual({
    missing: [],
    unknown: [],
    duplicates: [unconfirmed[3]!.id],
  });
  const byKey = Map.groupBy(records, ({ key }) => key?.toString());
  for (const [key, events] of [
    ['a', [...confirmed, ...unconfirmed.slice(0, 2), later[0]!]],
    ['c', [...left.slice(2), later[1]!]],
  ] as const)
    expect(byKey.get(key)?.map(idOf)).toEqual(events.map(({ id }) => id));
  expect(byKey.get('d')?.map(idOf)).toEqual(deleted);
  // The one thing that verify says about rows that were deleted while the table keeps older ones.
  const { findings } = JSON.parse((await world.command('verify', '--json')).stdout);
  expect(findings.leaked.first.toSorted()).toEqual(deleted.toSorted());
  for (const name of ['missing', 'duplicate', 'outOfOrder', 'undecodable', 'different'])
    expect(findings[name].count, name).toBe(0);

  // The way back: the slot of the connector is set to where the relay is.
  expect(await relay.stop()).toMatchObject({ code: 0 });
  await connector.advanceTo(world.slot);
  expect(await connector.waitingRows()).toBe(0);
  await write(world, items('a', 2, 6));
  expect(await connector.waitingRows()).toBe(2);
});

test('what a person has to decide first is not published: an event that was overtaken, and one that may be gone', {
  timeout: 120_000,
}, async () => {
  await using world = await World.create(1);
  await using connector = await LeftConnector.create(world);
  const old = await write(world, items('a', 2));
  await connector.publish(old.map((event) => ({ ...event, timestampMs: Date.now() - 3_600_000 })));
  await connector.confirm();
  const [first, second, third] = await write(world, items('b', 3));
  await connector.publish([first!, third!]);

  expect(await takeOver(world, connector)).toMatchObject({
    outcome: 'refused',
    doubts: [expect.stringContaining('--overtaken')],
    tail: { overtaken: { count: 1, ids: [second!.id] }, missing: { count: 0 } },
  });
  expect(await slotNames(world)).toEqual([connector.slot]);
  const relay = world.startRelay();
  expect(await relay.exited).toMatchObject({ code: 78 });
  expect(relay.fatal).toMatchObject({ code: expect.stringMatching(/^(SLOT_MISSING|ADOPTION_UNFINISHED)$/) });
  expect(await world.command('recover')).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('ADOPTION_UNFINISHED'),
  });

  // Kafka removes one record from before the tail: the other shows that nothing of the tail is gone.
  await write(world, items('c', 1));
  await removeRecords(world.topic, { before: '1' });
  expect(await takeOver(world, connector, { isDryRun: true, overtaken: 'publish' })).toMatchObject({
    doubts: [],
    tail: { missing: { count: 1 }, unjudged: { count: 0 } },
  });
  await removeRecords(world.topic, { before: '2' });
  expect(await takeOver(world, connector, { overtaken: 'publish' })).toMatchObject({
    outcome: 'refused',
    doubts: [expect.stringContaining('--unjudged')],
    tail: { unjudged: { count: 1 } },
  });
  const decided = { overtaken: 'publish', unjudged: 'publish', dropsSlot: true } as const;
  expect(await takeOver(world, connector, decided)).toMatchObject({
    outcome: 'adopted',
    isResumed: true,
    published: 2,
    connector: { isDropped: true },
  });
  expect(await slotNames(world)).toEqual([world.slot]);
});

test('a slot that somebody streams from, or that was there before, is left alone', {
  timeout: 60_000,
}, async () => {
  await using world = await World.create(1);
  await using connector = await LeftConnector.create(world);
  const { config } = loadConfig({ env: world.env });
  const running = await Capture.open({
    ...config,
    slot: { ...config.slot, name: connector.slot },
    publication: connector.publication,
  });
  await expect(takeOver(world, connector)).rejects.toMatchObject({
    code: 'SLOT_IN_USE',
    message: expect.stringContaining(`walsender ${running.walSenderPid}`),
  });
  await running.close();
  await expect(takeOver(world, connector, { slot: 'no_such_slot' })).rejects.toThrow('--connector-slot');
  await expect(takeOver(world, connector, { publication: 'none' })).rejects.toThrow(
    '--connector-publication',
  );
  await world.pool.query(`select pg_create_logical_replication_slot('${world.slot}', 'pgoutput')`);
  await expect(takeOver(world, connector)).rejects.toThrow(`slot ${world.slot} exists`);
  await expect(takeOver(world, { ...connector, slot: world.slot } as LeftConnector)).rejects.toThrow(
    'cannot share',
  );
  expect(await slotNames(world)).toEqual([connector.slot, world.slot].toSorted());
  await world.pool.query('select pg_drop_replication_slot($1)', [world.slot]);
  // As another relay may have, which rests.
  const strange = `${world.slot}_adopt`;
  await world.pool.query(`select pg_create_logical_replication_slot('${strange}', 'pgoutput')`);
  await expect(takeOver(world, connector)).rejects.toThrow(`slot ${strange} exists`);
  expect(await slotNames(world)).toEqual([connector.slot, strange].toSorted());
  await world.pool.query('select pg_drop_replication_slot($1)', [strange]);
});

test('what the relay would not give its records is refused first: other headers, other partitions, other properties', {
  timeout: 120_000,
}, async () => {
  await using world = await World.create();
  await using connector = await LeftConnector.create(world);
  const [before] = await write(world, items('a', 1));
  const elsewhere = (partitionOf('a', 3) + 1) % 3;
  await connector.publish([{ ...before!, headers: { tenant: 't' }, partition: elsewhere }]);
  await connector.confirm();
  await write(world, items('b', 1));
  expect(await takeOver(world, connector)).toMatchObject({
    outcome: 'refused',
    doubts: [expect.stringContaining('hash of its key'), expect.stringMatching(/will not have: tenant/)],
    tail: { otherPartitions: { count: 1, ids: [before!.id] } },
  });
  const accepted = { acceptsOtherKeys: true, acceptsOtherHeaders: true };
  expect(await takeOver(world, connector, { ...accepted, isDryRun: true })).toMatchObject({ doubts: [] });

  const router = 'transforms.outbox.';
  const properties = {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'plugin.name': 'pgoutput',
    'slot.name': connector.slot,
    'publication.name': connector.publication,
    transforms: 'outbox',
    [`${router}type`]: 'io.debezium.transforms.outbox.EventRouter',
    [`${router}route.topic.replacement`]: world.topic,
  };
  const placement = `${router}table.fields.additional.placement`;
  const given = (place: string) => ({ ...accepted, properties: { ...properties, [placement]: place } });
  await expect(takeOver(world, connector, given('tenant:envelope'))).rejects.toThrow(
    'beside the payload, and the relay writes the payload alone',
  );
  // The row that is to be published was written without it.
  expect(
    await takeOver(world, connector, { ...given('tenant:header'), acceptsOtherHeaders: false }),
  ).toMatchObject({
    outcome: 'refused',
    doubts: [
      expect.stringMatching(/will not have: tenant/),
      expect.stringMatching(/1 event to publish lacks/),
    ],
  });
  expect(await slotNames(world)).toEqual([connector.slot]);
});

test('without the slot of the connector nothing is adopted, and recover compares the rows that are left', {
  timeout: 120_000,
}, async () => {
  await using world = await World.create();
  await using connector = await LeftConnector.create(world);
  const published = await write(world, items('a', 2));
  // As a converter of headers writes them that makes JSON.
  await connector.publish(published.map((event) => ({ ...event, headers: { id: `"${event.id}"` } })));
  const left = await write(world, items('b', 1));
  await connector[Symbol.asyncDispose]();
  await world.pool.query(`select pg_create_logical_replication_slot('${connector.slot}', 'test_decoding')`);
  await expect(takeOver(world, connector)).rejects.toMatchObject({
    code: 'SLOT_WRONG_KIND',
    hint: expect.stringContaining('A slot of decoderbufs'),
  });
  await connector[Symbol.asyncDispose]();
  await expect(takeOver(world, connector)).rejects.toMatchObject({
    code: 'SLOT_MISSING',
    hint: expect.stringContaining('recover --force --dry-run'),
  });
  const shown = await world.command('recover', '--force', '--json');
  expect(JSON.parse(shown.stdout)).toMatchObject({
    outcome: 'refused',
    doubts: [expect.stringContaining('--unjudged publish')],
    unjudged: { count: 1, ids: [left[0]!.id] },
  });
  const recovered = await world.command('recover', '--force', '--unjudged', 'publish', '--json');
  expect(JSON.parse(recovered.stdout)).toMatchObject({ outcome: 'recovered', published: 1 });
  const relay = world.startRelay();
  await relay.streaming();
  const later = await write(world, items('b', 1, 1));
  const records = await world.read([...left, ...later].map(({ id }) => id));
  expect(records.filter(({ key }) => key?.toString() === 'b').map(idOf)).toEqual(
    [...left, ...later].map(({ id }) => id),
  );
  expect(records).toHaveLength(4);
});

test('a take-over that dies at each step goes on from there, and no relay starts in between', {
  timeout: 120_000,
}, async () => {
  await using world = await World.create();
  await using connector = await LeftConnector.create(world);
  const before = await write(world, items('a', 1));
  await connector.publish(before);
  await connector.confirm();
  const ids = [...(await world.write(items('a', 2, 1))), ...(await world.write(items('b', 3)))];
  // One that becomes a dead letter.
  await world.pool.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload) values ('item', 'z', 'test.ItemMoved', '{}')`,
  );
  ids.push(...(await world.write(items('b', 2, 3))));
  const small = { PUBLISH_BATCH_EVENTS: 2 };
  for (const failpoint of [
    'FIRST_PROGRESS_COMMITTED',
    'SLOT_CREATED',
    'EVENTS_SENT:2',
    'DEAD_LETTERS_STORED',
    'FIRST_PROGRESS_COMMITTED',
  ]) {
    const env = settingsEnv({ ...small, FAILPOINT: failpoint });
    const died = async () => {
      const { code, stdout, stderr } = await world.commandWith(
        env,
        'adopt',
        'debezium',
        ...connector.options,
      );
      // Postgres may not have noticed yet that the one before has died.
      if (code !== 69) expect(code, `${failpoint}: ${stdout}${stderr}`).toBeNull();
      return code;
    };
    await expect.poll(died).toBeNull();
  }
  await expect(takeOver(world, connector)).rejects.toThrow('has ended');
  const relay = world.startRelay();
  await relay.streaming();
  ids.push(...(await world.write(items('b', 1, 5))));
  const records = await world.read(ids);
  expect(compareIds(records.map(idOf), [...before.map(({ id }) => id), ...ids])).toEqual({
    missing: [],
    unknown: [],
    duplicates: [],
  });
  const { rows } = await world.pool.query('select status, aggregateid from outbox.dead_letter');
  expect(rows).toEqual([{ status: 'open', aggregateid: 'z' }]);
  const verified = await world.command('verify');
  expect(verified.code, verified.stdout + verified.stderr).toBe(0);
});
