import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { openScene } from '../scene.ts';

test('nothing is found where every event is there once, over many windows', async () => {
  await using scene = await openScene();
  for (let window = 1; window <= 3; window++) {
    const ids = await scene.insert(20);
    await scene.writer.commit(
      scene.events(...ids.map((id, n) => scene.record(id, { partition: n % 2 }))),
      await scene.progress(),
    );
    const row = await scene.runAudit();
    expect(row).toMatchObject({ events: 20 * window, records: 20 * window, unjudged: {}, missing: 0 });
  }
  expect(await scene.findings()).toEqual([]);
});

test('an event that its window lacks is missing, until its record comes', async () => {
  await using scene = await openScene();
  const [there, absent] = await scene.insert(2);
  await scene.writer.commit(scene.events(scene.record(there!)), await scene.progress());
  expect(await scene.runAudit()).toMatchObject({ missing: 1, missingOpen: 1 });
  expect(await scene.findings()).toEqual([['missing', absent]]);
  await scene.runAudit();
  expect(await scene.findings()).toEqual([['missing', absent]]);
  await scene.writer.commit(scene.events(scene.record(absent!)), await scene.progress());
  await scene.runAudit();
  await scene.runAudit();
  expect(await scene.runAudit()).toMatchObject({ missing: 1, missingOpen: 0, duplicate: 0, leaked: 0 });
  expect(await scene.findings()).toEqual([]);
});

describe('a doubled record is found', () => {
  test('in one window', async () => {
    await using scene = await openScene();
    const [id] = await scene.insert();
    const record = scene.record(id!);
    await scene.writer.commit(scene.events(record, record), await scene.progress());
    await scene.runAudit();
    expect(await scene.findings()).toEqual([['duplicate', id]]);
  });

  test.each([0, 1])('many windows later, in partition %i', async (partition) => {
    await using scene = await openScene();
    const ids = await scene.insert(3);
    const records = ids.map((id) => scene.record(id));
    await scene.writer.commit(scene.events(...records), await scene.progress());
    await scene.runAudit();
    await scene.writer.commit(scene.events(scene.record((await scene.insert())[0]!)), await scene.progress());
    await scene.runAudit();
    await scene.writer.commit(scene.events({ ...records[1]!, partition }), await scene.progress());
    await scene.runAudit();
    expect(await scene.findings()).toEqual([['duplicate', ids[1]]]);
  });
});

describe('a record of a transaction that was rolled back is leaked', () => {
  test('once no transaction is left that could show its row', async () => {
    await using scene = await openScene();
    const [id] = await scene.insert();
    const leaked = randomUUID();
    const client = await scene.database.pool.connect();
    await client.query('begin');
    await client.query(
      `insert into outbox.event (id, aggregatetype, aggregateid, type) values ($1, 'order', '1', 'OrderPlaced')`,
      [leaked],
    );
    await scene.writer.commit(scene.events(scene.record(id!), scene.record(leaked)), await scene.progress());
    await scene.runAudit();
    expect(await scene.findings()).toEqual([]);
    await client.query('rollback');
    client.release();
    await scene.runAudit();
    expect(await scene.findings()).toEqual([['leaked', leaked]]);
  });
});

describe('a swapped pair is out of order', () => {
  test('in one window', async () => {
    await using scene = await openScene();
    const [first, second] = await scene.insert(2);
    const [earlier, later] = [scene.record(first!, { key: 'k' }), scene.record(second!, { key: 'k' })];
    await scene.writer.commit(scene.events(later, earlier), await scene.progress());
    await scene.runAudit();
    expect(await scene.findings()).toEqual([['out_of_order', first]]);
  });

  test('over the border of two windows', async () => {
    await using scene = await openScene();
    const [second] = await scene.insert(1);
    const first = randomUUID();
    const [earlier, later] = [scene.record(first, { key: 'k' }), scene.record(second!, { key: 'k' })];
    await scene.writer.commit(scene.events(later), await scene.progress());
    await scene.runAudit();
    await scene.insertRow({ id: first });
    await scene.writer.commit(scene.events(earlier), await scene.progress());
    await scene.runAudit();
    expect(await scene.findings()).toEqual([['out_of_order', first]]);
  });
});

test('a record of a replay is no finding where the replay is known, and a fault where it is not', async () => {
  await using scene = await openScene();
  const [id, other] = await scene.insert(2);
  const replayed = (replay: string) => {
    const record = scene.record(id!);
    return { ...record, headers: { id: id!, type: 'OrderPlaced', 'replay-id': replay } };
  };
  await scene.database.pool.query(
    `select outbox.begin_replay('known', $1, '{}', '{}', null, false, 1, 'a test', 'a reason')`,
    [scene.config.slot.name],
  );
  await scene.writer.commit(
    scene.events(scene.record(id!), scene.record(other!), replayed('known'), replayed('known')),
    await scene.progress(),
  );
  expect(await scene.runAudit()).toMatchObject({ events: 2, unjudged: { replayed: 2 }, missing: 0 });
  expect(await scene.findings()).toEqual([]);
  await scene.writer.commit(scene.events(replayed('unknown')), await scene.progress());
  await scene.runAudit();
  expect(await scene.findings()).toEqual([['undecodable', id]]);
});
