/** What an audit makes of records that are not the relay's, of compacted topics, and of what it may not see. */
import pino from 'pino';
import { describe, expect, test } from 'vitest';
import { readPublication } from '../../../relay/capture/publication.ts';
import { describeStanding } from '../../../relay/commands/describe-standing-audit.ts';
import { createKafka } from '../../../relay/connect/kafka.ts';
import { createTopics } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';
import { openScene, type Scene, told } from './scene.ts';
import { openWriter } from './topics.ts';

const headless = (key: string) => ({ key, value: Buffer.from('{}'), partition: 0 });

describe('a record without the relay’s headers', () => {
  test('of another producer is counted apart, and stands for no event even if it has an id', async () => {
    await using scene = await openScene();
    await using debezium = await openWriter();
    const [published, absent] = await scene.insert(2);
    await debezium.commit(
      scene.events(
        { ...headless('k'), headers: { id: absent! } },
        { ...headless('k'), headers: { id: published! } },
      ),
    );
    await scene.writer.commit(scene.events(scene.record(published!)), await scene.progress());
    const report = await scene.audit();
    expect(told(report)).toEqual({ missing: [absent], foreign: [absent, published] });
    expect(report.unjudged.foreign.first[0]).toMatchObject({ topic: scene.topic, offset: '0' });
  });

  test.each([
    ['that wrote the progress', async (scene: Scene) => [await scene.progress()]],
    [
      'that wrote headers of the relay beside it',
      async (scene: Scene, id: string) => [scene.events(scene.record(id))],
    ],
  ])('of a producer %s is a finding', async (_, beside) => {
    await using scene = await openScene();
    const [id] = await scene.insert();
    await using relay = await openWriter();
    await relay.commit(
      scene.events(headless('k'), { ...headless('k'), headers: { id: id! } }),
      ...(await beside(scene, id!)),
    );
    const { findings, unjudged } = await scene.audit();
    expect(findings.undecodable.first.map(({ reason }) => reason)).toEqual([
      'no header id',
      'no legal header position',
    ]);
    expect(unjudged.foreign.count).toBe(0);
  });
});

test('a stranger of another slot’s relay is counted apart, and one of this slot’s is leaked', async () => {
  await using scene = await openScene();
  await using other = await openWriter();
  const [id] = await scene.insert();
  const progress = await scene.progress();
  const theirs = { ...progress, messages: [{ ...progress.messages[0]!, key: 'another_slot' }] };
  const [strange, leaked] = [scene.record('9'), scene.record('8')];
  await other.commit(scene.events(strange), theirs);
  await scene.writer.commit(scene.events(scene.record(id!), leaked), progress);
  expect(told(await scene.audit())).toEqual({ foreign: ['9'], leaked: ['8'] });
});

test('so is one of another slot whose progress has a topic of its own', async () => {
  await using scene = await openScene();
  await using other = await openWriter();
  const [id] = await scene.insert();
  const topic = `outbox-relay.progress.${unique('slot').replaceAll('-', '_')}`;
  await createTopics([{ topic, numPartitions: 1 }]);
  const progress = await scene.progress();
  const [strange, leaked] = [scene.record('9'), scene.record('8')];
  const theirs = { topic, messages: [{ ...progress.messages[0]!, key: 'another_slot' }] };
  await other.commit(scene.events(strange), theirs);
  await scene.writer.commit(scene.events(scene.record(id!), leaked), progress);
  expect(told(await scene.audit())).toEqual({ foreign: ['9'], leaked: ['8'] });
});

describe('what the relay of another slot wrote', () => {
  /** A relay of another database that writes to the same topic: its progress, and records of schemas that nobody here knows. */
  async function theirs(scene: Scene, key: string) {
    const progress = await scene.progress();
    const value = scene.value(Buffer.from([1, 2, 3]), 2_000_000_000);
    return {
      records: [scene.record('8', { key, value }), scene.record('9', { key: 'k', value: Buffer.from('?') })],
      progress: { ...progress, messages: [{ ...progress.messages[0]!, key: 'another_slot' }] },
    };
  }

  test('is judged neither by its value nor by its place, whatever relay wrote it, and the report says where it is', async () => {
    await using scene = await openScene();
    await using other = await openWriter();
    const id = await scene.insertRow({ key: 'k' });
    const early = scene.record(id, { key: 'k' });
    const { records, progress } = await theirs(scene, 'k');
    // Positions of another database are numbers like any other; those of one key need not rise with ours.
    await other.commit(scene.events(...records), progress);
    await scene.writer.commit(scene.events(early), await scene.progress());
    const report = await scene.audit();
    expect(told(report)).toEqual({ foreign: ['8', '9'] });
    expect(report).toMatchObject({ ok: true, compared: 1 });
    expect(report.foreignTopics).toMatchObject([
      { topic: scene.topic, records: 2, partition: 0, offset: '0' },
    ]);
    const row = await scene.runAudit();
    expect(row).toMatchObject({ undecodable: 0, leaked: 0, unjudged: { foreign: 2 } });
    expect(row.runs.flatMap(({ foreign }) => foreign)).toMatchObject([{ topic: scene.topic, records: 2 }]);
    // An audit that starts again tells of those that it has counted since.
    const start = { from: 'first', person: 'ada', reason: 'once more' } as const;
    const again = await scene.runAudit({ start });
    const lines = describeStanding({ at: '', slot: scene.config.slot.name, audit: again, latest: [] });
    expect(lines.join('\n')).toMatch(/^from other producers +2 .*\n +2 in /m);
    expect(await scene.findings()).toEqual([]);
  });

  test('has another lineage, though its slot has the same name', async () => {
    await using scene = await openScene();
    await using other = await openWriter();
    const [id] = await scene.insert();
    const topic = `outbox-relay.progress.${unique('slot').replaceAll('-', '_')}`;
    await createTopics([{ topic, numPartitions: 1 }]);
    const ours = await scene.progress();
    const elsewhere = (await scene.progress({ systemIdentifier: '1' })).messages;
    await other.commit(scene.events(headless('k'), scene.record('9', { value: Buffer.from('?') })), {
      topic,
      messages: elsewhere,
    });
    await scene.writer.commit(scene.events(scene.record(id!)), ours);
    expect(told(await scene.audit())).toEqual({ foreign: ['9', null] });
  });
});

/** What both audits find: a record of a kind counts once, in whichever window. */
async function bothFind(scene: Scene, expected: Record<string, (string | null)[]>): Promise<void> {
  expect(told(await scene.audit())).toEqual(expected);
  await scene.runAudit();
  await scene.runAudit();
  const findings = Object.entries(expected).filter(([kind]) => kind !== 'foreign');
  expect(await scene.findings()).toEqual(findings.flatMap(([kind, ids]) => ids.map((id) => [kind, id])));
  const row = await scene.runAudit();
  expect(row.unjudged).toEqual(expected.foreign === undefined ? {} : { foreign: expected.foreign.length });
}

/** The progress of a relay that streams from this database, too, on another slot. */
async function progressOfSibling(scene: Scene) {
  await scene.database.pool.query(
    `insert into outbox.progress (slot, initialised_at) values ('another_slot', now()) on conflict do nothing`,
  );
  const progress = await scene.progress();
  return { ...progress, messages: [{ ...progress.messages[0]!, key: 'another_slot' }] };
}

describe('what the relay of another slot of this database wrote', () => {
  test('is of this outbox where the table has its row, whichever window has that', async () => {
    await using scene = await openScene();
    await using other = await openWriter();
    const [mine, theirs] = await scene.insert(2);
    await other.commit(scene.events(scene.record(theirs!)), await progressOfSibling(scene));
    await scene.writer.commit(scene.events(scene.record(mine!)), await scene.progress());
    await bothFind(scene, {});
    await using late = await scene.openTransaction();
    await other.commit(scene.events(scene.record(late.id, { key: '1' })));
    await scene.writer.commit(await scene.progress());
    await scene.runAudit();
    await late.end('commit');
    await scene.writer.commit(await scene.progress());
    expect(await scene.runAudit()).toMatchObject({ missing: 0, events: 3 });
    expect(told(await scene.audit())).toEqual({});
  });

  test('is a duplicate of what this slot’s wrote', async () => {
    await using scene = await openScene();
    await using other = await openWriter();
    const [id] = await scene.insert();
    const record = scene.record(id!);
    await other.commit(await progressOfSibling(scene));
    await scene.writer.commit(scene.events(record), await scene.progress());
    await bothFind(scene, {});
    await other.commit(scene.events(record));
    await scene.writer.commit(await scene.progress());
    await bothFind(scene, { duplicate: [id!] });
  });

  test('is judged, then, by its value', async () => {
    await using scene = await openScene();
    await using other = await openWriter();
    const [id] = await scene.insert();
    const damaged = scene.record(id!, { value: Buffer.from('?') });
    await other.commit(scene.events(damaged), await progressOfSibling(scene));
    await scene.writer.commit(await scene.progress());
    await bothFind(scene, { undecodable: [id!] });
  });

  test('is another producer’s where the row routes elsewhere, or there is none, as of another outbox', async () => {
    await using scene = await openScene();
    await using other = await openWriter();
    const [lost] = await scene.insert();
    const mirror = `${scene.topic}.mirror`;
    await createTopics([{ topic: mirror, numPartitions: 1 }]);
    await other.commit(
      { topic: mirror, messages: [scene.record(lost!)] },
      scene.events(scene.record('9')),
      await progressOfSibling(scene),
    );
    await scene.writer.commit(await scene.progress());
    const report = await scene.audit();
    expect(told(report)).toEqual({ missing: [lost], foreign: expect.arrayContaining([lost, '9']) });
    expect(await scene.runAudit()).toMatchObject({ missing: 1, leaked: 0, unjudged: { foreign: 2 } });
  });
});

describe('what the relay of another slot of this database wrote, as far as the publications tell', () => {
  /** Both slots have streamed, the other one through a publication of this table. */
  async function streamed(scene: Scene, table: string, publishing = `table ${table}, outbox.heartbeat`) {
    const { pool } = scene.database;
    await pool.query(
      `create publication others for ${publishing} with (publish = 'insert', publish_via_partition_root)`,
    );
    const other = { ...scene.config, publication: 'others', outbox: { ...scene.config.outbox, table } };
    await pool.query(
      `insert into outbox.progress (slot, initialised_at, publication) values ($1, 'epoch', $2), ('another_slot', 'epoch', $3)`,
      [scene.config.slot.name, await readPublication(pool, scene.config), await readPublication(pool, other)],
    );
  }

  /** The other slot's relay has written a record of an id that the table has, and this slot's has written none. */
  async function written(scene: Scene): Promise<string> {
    await using other = await openWriter();
    const [id] = await scene.insert();
    await other.commit(scene.events(scene.record(id!)), await progressOfSibling(scene));
    await scene.writer.commit(await scene.progress());
    return id!;
  }

  test('stands in for no event of this table where it publishes another one', async () => {
    await using scene = await openScene();
    await scene.database.pool.query('create table public.other_outbox (like outbox.event)');
    await streamed(scene, 'public.other_outbox');
    const id = await written(scene);
    await bothFind(scene, { missing: [id], foreign: [id] });
  });

  test('is of this outbox where it publishes the same table', async () => {
    await using scene = await openScene();
    await streamed(scene, 'outbox.event');
    await written(scene);
    await bothFind(scene, {});
  });

  test('may be of this outbox where nothing tells: a publication of all tables, or one that is gone', async () => {
    await using scene = await openScene();
    await scene.database.pool.query('create table public.other_outbox (like outbox.event)');
    await streamed(scene, 'public.other_outbox', 'all tables');
    await written(scene);
    await bothFind(scene, {});
    await scene.database.pool.query('drop publication others');
    await bothFind(scene, {});
  });
});

describe('no record stands in for a lost event that has its id by chance', () => {
  const elsewhere = { systemIdentifier: '1' };

  test.each([
    ['of another slot', async (scene: Scene) => ({ key: 'another_slot', of: await scene.progress() })],
    [
      'of a slot as this database has one, of another cluster',
      async (scene: Scene) => {
        await progressOfSibling(scene);
        return { key: 'another_slot', of: await scene.progress(elsewhere) };
      },
    ],
  ])('where the relay %s wrote it', async (_, progressOf) => {
    await using scene = await openScene();
    await using other = await openWriter();
    const [id] = await scene.insert();
    const { key, of } = await progressOf(scene);
    await other.commit(scene.events(scene.record(id!)), {
      ...of,
      messages: [{ ...of.messages[0]!, key }],
    });
    await scene.writer.commit(await scene.progress());
    await bothFind(scene, { missing: [id!], foreign: [id!] });
  });

  test.each([
    ['another producer', (scene: Scene, id: string) => [scene.events({ ...headless('k'), headers: { id } })]],
    [
      'the relay of another database',
      (scene: Scene, id: string, theirs: Awaited<ReturnType<Scene['progress']>>) => [
        scene.events(scene.record(id)),
        theirs,
      ],
    ],
  ])('where %s wrote it before a window shows the row', async (_, written) => {
    await using scene = await openScene();
    await using other = await openWriter();
    await using late = await scene.openTransaction();
    const progress = await scene.progress();
    const theirs = { ...progress, messages: [{ ...progress.messages[0]!, key: 'another_slot' }] };
    await other.commit(...written(scene, late.id, theirs));
    await scene.writer.commit(progress);
    expect(await scene.runAudit()).toMatchObject({ events: 0, missing: 0, unjudged: { foreign: 1 } });
    await late.end('commit');
    await scene.writer.commit(await scene.progress());
    expect(await scene.runAudit()).toMatchObject({ events: 1, missing: 1 });
    expect(told(await scene.audit())).toMatchObject({ missing: [late.id] });
  });
});

test('what was written without a transaction and cannot be decoded is no relay’s, whatever its headers say', async () => {
  await using scene = await openScene();
  const [id] = await scene.insert();
  const kafka = createKafka(scene.config, pino({ level: 'silent' }));
  const producer = kafka.producer();
  await producer.connect();
  const { id: _, ...copied } = scene.record(id!).headers!;
  await producer.send({
    topic: scene.topic,
    messages: [
      scene.record('8', { value: Buffer.from('a copy of a mirror') }),
      { key: 'k', value: Buffer.from('damaged'), partition: 0, headers: copied },
    ],
  });
  await producer.disconnect();
  await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
  const report = await scene.audit();
  expect(told(report)).toEqual({ foreign: ['8', null] });
  expect(report.ok).toBe(true);
  expect(report.foreignTopics).toMatchObject([{ topic: scene.topic, records: 2, offset: '0' }]);
  expect(await scene.runAudit()).toMatchObject({ undecodable: 0, leaked: 0, unjudged: { foreign: 2 } });
});

test('a value of this relay that cannot be decoded is found, though its row is gone', async () => {
  await using scene = await openScene();
  const [id] = await scene.insert();
  const at = String(Date.now() - 86_400_000);
  const damaged = scene.record('7', { timestamp: at, value: scene.value(Buffer.alloc(0)) });
  await scene.writer.commit(scene.events(damaged, scene.record(id!)), await scene.progress());
  expect(told(await scene.audit())).toEqual({ undecodable: ['7'], unknown: ['7'] });
});

describe('in a compacted topic', () => {
  const compacted = [{ name: 'cleanup.policy', value: 'compact' }];
  const at = (minutesAgo: number) => new Date(Date.now() - minutesAgo * 60_000);

  test('an absent event that a later one of its key has followed is not judged, and the last one is missing', async () => {
    await using scene = await openScene({ configEntries: compacted });
    const [superseded, kept, last] = [
      await scene.insertRow({ key: 'k', createdAt: at(3) }),
      await scene.insertRow({ key: 'k', createdAt: at(2) }),
      await scene.insertRow({ key: 'k', createdAt: at(1) }),
    ];
    const alone = await scene.insertRow({ key: 'alone', createdAt: at(5) });
    const record = scene.record(kept, { key: 'k', timestamp: String(at(2).getTime() + 5) });
    await scene.writer.commit(scene.events(record), await scene.progress());
    expect(told(await scene.audit())).toEqual({ superseded: [superseded], missing: [last, alone] });
    expect(told(await scene.audit({ expectAll: true }))).toEqual({ missing: [superseded, last, alone] });
  });

  test('a tombstone that may be removed by now accounts for what came before it, and no other does', async () => {
    await using scene = await openScene({
      configEntries: [...compacted, { name: 'delete.retention.ms', value: '120000' }],
      takesTombstones: true,
    });
    const rows = [
      await scene.insertRow({ key: 'old', createdAt: at(9) }),
      await scene.insertRow({ key: 'old', createdAt: at(8), payload: null }),
      await scene.insertRow({ key: 'young', createdAt: at(9) }),
      await scene.insertRow({ key: 'young', createdAt: at(1), payload: null }),
    ];
    await scene.writer.commit(await scene.progress());
    expect(told(await scene.audit())).toEqual({ superseded: rows.slice(0, 2), missing: rows.slice(2) });
  });
});

test('a table without events is no success: the report says that nothing was judged', async () => {
  await using scene = await openScene();
  await scene.writer.commit(scene.events(scene.record('1')), await scene.progress());
  const report = await scene.audit();
  expect(report).toMatchObject({ events: 0, compared: 0 });
  expect(told(report)).toEqual({ unknown: ['1'] });
});

test('a topic that events route to and that does not exist is no hidden one', async () => {
  await using scene = await openScene();
  const [id] = await scene.insert();
  const config = {
    ...scene.config,
    topics: { ...scene.config.topics, template: `${scene.topic}.absent`, allow: [`${scene.topic}*`] },
  };
  await scene.writer.commit(await scene.progress());
  expect(told(await scene.audit({ config }))).toEqual({ missing: [id] });
  await createTopics([{ topic: `${scene.topic}.absent`, numPartitions: 1 }]);
  await scene.writer.commit({ topic: `${scene.topic}.absent`, messages: [scene.record(id!)] });
  expect(told(await scene.audit({ config }))).toEqual({});
});
