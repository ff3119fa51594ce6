/** What an audit says of records that are there once, in order and decodable, and yet not what was committed. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { registerSchema } from '../../support/registry.ts';
import { unique } from '../../support/unique.ts';
import { openScene, type Scene, told } from './scene.ts';

const long = (value: number) => Buffer.from([value * 2]);
const text = (value: string) => Buffer.concat([long(value.length), Buffer.from(value)]);

/** The first differences, by place. */
const differences = ({ findings }: Awaited<ReturnType<Scene['audit']>>) =>
  findings.different.first.map(({ path, reason }) => `${path}: ${reason}`);

test('a key, type, header or value that differs from the row is reported by its place, without showing either', async () => {
  await using scene = await openScene();
  const headers = '{"trace":"t-1","n":1.50,"flag":true,"none":null,"id":"other","constructor":"c"}';
  const rest = { trace: 't-1', n: '1.5', flag: 'true', constructor: 'c' };
  const payload = '{"total":3}';
  const ids: string[] = [];
  for (let n = 0; n < 8; n++) ids.push(await scene.insertRow({ headers, payload }));
  const value = scene.value(long(3));
  const record = (n: number, changes: object = {}, own: object = rest) =>
    scene.record(ids[n]!, { value, ...changes, headers: { ...own } });
  await scene.writer.commit(
    scene.events(
      record(0),
      record(1, { key: 'another' }),
      record(2, {}, { ...rest, type: 'OrderPaid' }),
      record(3, {}, { ...rest, trace: 't-2' }),
      record(4, {}, { trace: 't-1', flag: 'true', constructor: 'c' }),
      record(5, {}, { ...rest, extra: 'x' }),
      record(6, { value: scene.value(long(4)) }),
      record(7, { value: null }),
    ),
    await scene.progress(),
  );
  const report = await scene.audit();
  expect(told(report)).toEqual({ different: ids.slice(1, 7), undecodable: [ids[7]] });
  expect(differences(report)).toEqual([
    'key: a different key',
    'header type: a different type',
    'headers: different headers',
    'headers: different headers',
    'headers: different headers',
    '$.total: a different long',
  ]);
  expect(report.findings.different.first[5]).toMatchObject({
    topic: scene.topic,
    partition: 0,
    offset: '6',
    position: expect.stringMatching(/^[0-9a-f]{16}\.0{8}$/),
  });
  expect(report).toMatchObject({ ok: false, compared: 7, comparesContent: true });
  const shown = JSON.stringify(report.findings);
  for (const secret of ['t-1', 't-2', 'another"']) expect(shown).not.toContain(secret);

  const without = await scene.audit({ comparesContent: false });
  expect(told(without)).toEqual({ undecodable: [ids[7]] });
  expect(without).toMatchObject({ compared: 0, comparesContent: false });
});

test('an event under another branch of a union than its type names is reported, although the fields fit both', async () => {
  await using scene = await openScene();
  const branch = (name: string) => ({
    type: 'record',
    name: `shop.${name}`,
    fields: [{ name: 'orderId', type: 'string' }],
  });
  const id = await registerSchema(unique('union'), [branch('OrderPlaced'), branch('OrderCancelled')]);
  const payload = '{"orderId":"1"}';
  const types = [
    'shop.OrderPlaced',
    'OrderPlaced',
    'shop.OrderCancelled',
    'OrderCancelled',
    'shop.OrderTypo',
  ];
  const ids: string[] = [];
  for (const type of types) ids.push(await scene.insertRow({ type, payload }));
  const named = await scene.insertRow({ type: 'made-up', payload: '{"shop.OrderPlaced":{"orderId":"1"}}' });
  const value = scene.value(Buffer.concat([long(0), text('1')]), id);
  const records = ids.map((each, n) => scene.record(each, { value, headers: { type: types[n]! } }));
  await scene.writer.commit(
    scene.events(...records, scene.record(named, { value, headers: { type: 'made-up' } })),
    await scene.progress(),
  );
  const report = await scene.audit();
  expect(told(report)).toEqual({ different: ids.slice(2) });
  expect(new Set(differences(report))).toEqual(
    new Set(['$: a different branch than the event’s type names']),
  );
});

test('bytes of one schema under the id of another, and Avro under the id of a JSON schema, are reported', async () => {
  await using scene = await openScene();
  const fields = [
    { name: 'y', type: 'string' },
    { name: 'x', type: 'long' },
  ];
  const id = await registerSchema(unique('moved'), { type: 'record', name: 'R', fields });
  const jsonId = await registerSchema(
    unique('json'),
    '{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}',
    'JSON',
  );
  const moved = await scene.insertRow({ payload: '{"x":2,"y":"bb"}' });
  const other = await scene.insertRow({});
  // As the writer of {x, y} would write it; under {y, x} it is a text of two bytes and a number.
  const bytes = Buffer.concat([long(2), text('bb')]);
  await scene.writer.commit(
    scene.events(
      scene.record(moved, { value: scene.value(bytes, id) }),
      scene.record(other, { value: scene.value(long(1), jsonId) }),
    ),
    await scene.progress(),
  );
  const report = await scene.audit();
  expect(told(report)).toEqual({ different: [moved], undecodable: [other] });
  expect(report.findings.undecodable.first[0]!.reason).toBe(`schema ${jsonId}: its type is JSON, not Avro`);
});

test('a schema whose default is of another type than its field is read, as the relay writes it', async () => {
  await using scene = await openScene();
  const fields = [{ name: 'note', type: ['null', 'string'], default: 'null' }];
  const id = await registerSchema(unique('default'), { type: 'record', name: 'D', fields });
  const given = await scene.insertRow({ payload: '{"note":"x"}' });
  const absent = await scene.insertRow({ payload: '{}' });
  await scene.writer.commit(
    scene.events(
      scene.record(given, { value: scene.value(Buffer.concat([long(1), text('x')]), id) }),
      scene.record(absent, { value: scene.value(Buffer.concat([long(1), text('null')]), id) }),
    ),
    await scene.progress(),
  );
  expect(told(await scene.audit())).toEqual({});
});

describe('the row of a record', () => {
  test('is found although the table was rewritten since, and what is gone is not judged', async () => {
    await using scene = await openScene();
    const dropped = await scene.insert(20);
    const [kept, changed, gone] = await scene.insert(3);
    const records = [kept!, gone!].map((id) => scene.record(id));
    const wrong = scene.record(changed!, { value: scene.value(long(5)) });
    await scene.writer.commit(await scene.progress({ endLsn: 1n }));
    const events = scene.events(...dropped.map((id) => scene.record(id)), ...records, wrong);
    let rewriting: Promise<void> | undefined;
    const rewrite = async () => {
      const { pool } = scene.database;
      await pool.query('delete from outbox.event where id = any ($1)', [[...dropped, gone]]);
      await pool.query('vacuum full outbox.event');
      await scene.writer.commit(events, await scene.progress());
    };
    const report = await scene.audit({
      waitMs: 30_000,
      onStage: ({ stage }) => {
        // The topics are read once more when the progress is there.
        if (stage === 'progress') rewriting = rewrite();
      },
    });
    await rewriting;
    expect(told(report)).toEqual({ different: [changed], removed: [...dropped, gone] });
  });

  test('matches the dead letter of an event that was corrected and released', async () => {
    await using scene = await openScene();
    const [corrected, wrong] = await scene.insert(2);
    await scene.deadLetter(corrected!, 'released', { payload: '{"total":5}', key: corrected! });
    await scene.deadLetter(wrong!, 'released', { payload: '{"total":6}', key: wrong! });
    const value = scene.value(long(5));
    await scene.writer.commit(
      scene.events(scene.record(corrected!, { value }), scene.record(wrong!, { value })),
      await scene.progress(),
    );
    expect(told(await scene.audit())).toEqual({ different: [wrong] });
  });
});

describe('an id that several rows have', () => {
  test('is reported, and the position distinguishes it from an event that was published twice', async () => {
    await using scene = await openScene();
    const [twice, doubled, resubmitted] = [randomUUID(), randomUUID(), randomUUID()];
    for (const id of [twice, doubled, resubmitted])
      for (const payload of ['{"total":1}', '{"total":2}']) await scene.insertRow({ id, payload });
    await scene.deadLetter(resubmitted, 'resubmitted');
    const first = scene.record(doubled, { value: scene.value(long(1)) });
    await scene.writer.commit(
      scene.events(
        scene.record(twice, { value: scene.value(long(1)) }),
        scene.record(twice, { value: scene.value(long(2)) }),
        first,
        first,
        scene.record(resubmitted, { value: scene.value(long(2)) }),
      ),
      await scene.progress(),
    );
    expect(told(await scene.audit())).toEqual({
      repeatedId: [twice, doubled],
      duplicate: [doubled],
      missing: [doubled],
    });
  });
});
