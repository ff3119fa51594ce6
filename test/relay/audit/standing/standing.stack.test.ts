import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { describe, expect, test, vi } from 'vitest';
import { CountedXids } from '../../../../relay/audit/standing/counted-xids.ts';
import { openWindow, WindowRows } from '../../../../relay/audit/standing/read-window.ts';
import type { AskedStart } from '../../../../relay/audit/standing/standing.ts';
import type { AuditRow } from '../../../../relay/audit/standing/store.ts';
import { describeStanding } from '../../../../relay/commands/describe-standing-audit.ts';
import { parseSnapshot } from '../../../../relay/model/pg-snapshot.ts';
import { formatPosition, parseLsn, parsePosition } from '../../../../relay/model/position.ts';
import { applyRoles } from '../../../migrations/outbox.ts';
import { createTopics, removeRecords, withAdmin } from '../../../support/kafka.ts';
import { unique } from '../../../support/unique.ts';
import { openScene, type Scene } from '../scene.ts';
import { openWriter } from '../topics.ts';

const asked = (from: AskedStart['from']): AskedStart => ({ from, person: 'ada', reason: 'dealt with' });

test('nothing is found where every event is there once, over many windows', async () => {
  await using scene = await openScene();
  for (let window = 1; window <= 3; window++) {
    const ids = await scene.insert(20);
    await scene.writer.commit(
      scene.events(...ids.map((id, n) => scene.record(id, { partition: n % 2 }))),
      await scene.progress(),
    );
    const row = await scene.runAudit();
    expect(row).toMatchObject({
      events: 20 * window,
      matched: 20 * window,
      records: 20 * window,
      missing: 0,
    });
    expect(row.unjudged).toEqual({});
  }
  expect(await scene.findings()).toEqual([]);
});

test('an event that its window lacks is missing, until its record comes', async () => {
  await using scene = await openScene();
  const [there, absent] = await scene.insert(2);
  await scene.writer.commit(scene.events(scene.record(there!)), await scene.progress());
  expect(await scene.runAudit()).toMatchObject({ missing: 1, missingOpen: 1, matched: 1 });
  expect(await scene.findings()).toEqual([['missing', absent]]);
  await scene.runAudit();
  expect(await scene.findings()).toEqual([['missing', absent]]);
  await scene.writer.commit(scene.events(scene.record(absent!)), await scene.progress());
  await scene.runAudit();
  await scene.runAudit();
  const row = await scene.runAudit();
  expect(row).toMatchObject({ missing: 1, missingOpen: 0, duplicate: 0, leaked: 0, matched: 2 });
  expect(await scene.findings()).toEqual([]);
});

test('missing events whose ids were not kept are no duplicates when their records come', async () => {
  await using scene = await openScene();
  const ids = await scene.insert(1_100);
  await scene.writer.commit(await scene.progress());
  expect(await scene.runAudit()).toMatchObject({ missing: 1_100, missingOpen: 1_100 });
  expect(await scene.findings()).toHaveLength(1_100);
  await scene.database.pool.query('delete from outbox.audit_finding where event_id = any ($1)', [
    ids.slice(0, 50),
  ]);
  const records = ids.map((id) => scene.record(id));
  await scene.writer.commit(scene.events(...records), await scene.progress());
  await scene.runAudit();
  expect(await scene.runAudit()).toMatchObject({ missing: 1_100, missingOpen: 0, duplicate: 0 });
  await scene.writer.commit(scene.events(records[3]!), await scene.progress());
  await scene.runAudit();
  expect(await scene.findings()).toEqual([['duplicate', ids[3]]]);
});

describe('a row that says it was written before the relay first started', () => {
  const startNow = (scene: Scene) =>
    scene.database.pool.query('insert into outbox.progress (slot, initialised_at) values ($1, now())', [
      scene.config.slot.name,
    ]);
  const createdAt = new Date('2020-01-01T00:00:00Z');

  test('is missing all the same where it was committed after a window', async () => {
    await using scene = await openScene();
    await scene.insertRow({ createdAt });
    await startNow(scene);
    await scene.writer.commit(await scene.progress());
    expect(await scene.runAudit()).toMatchObject({ missing: 0, unjudged: { undated: 1 } });
    const lost = await scene.insertRow({ createdAt });
    await scene.writer.commit(await scene.progress());
    expect(await scene.runAudit()).toMatchObject({ missing: 1, unjudged: { undated: 1 } });
    expect(await scene.findings()).toEqual([['missing', lost]]);
  });

  test('may be published later once, and a second record of it is a duplicate', async () => {
    await using scene = await openScene();
    const id = await scene.insertRow({ createdAt });
    const other = await scene.insertRow({});
    await startNow(scene);
    await scene.writer.commit(scene.events(scene.record(other)), await scene.progress());
    expect(await scene.runAudit()).toMatchObject({ missing: 0, unjudged: { undated: 1 } });
    await scene.writer.commit(scene.events(scene.record(id)), await scene.progress());
    await scene.runAudit();
    expect(await scene.runAudit()).toMatchObject({ duplicate: 0, unjudged: { publishedSince: 1 } });
    await scene.writer.commit(scene.events(scene.record(id), scene.record(other)), await scene.progress());
    await scene.runAudit();
    await scene.runAudit();
    expect(await scene.findings()).toEqual(
      expect.arrayContaining([
        ['duplicate', id],
        ['duplicate', other],
      ]),
    );
    expect(await scene.findings()).toHaveLength(2);
  });
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

test('an old record that a replay has written does not say that its topic still has what is as old', async () => {
  await using scene = await openScene();
  const [id] = await scene.insert();
  await scene.database.pool.query(
    `select outbox.begin_replay('known', $1, '{}', '{}', null, false, 1, 'a test', 'a reason')`,
    [scene.config.slot.name],
  );
  const agoMs = (minutes: number) => Date.now() - minutes * 60_000;
  const replayed = {
    ...scene.record(id!),
    timestamp: String(agoMs(10)),
    headers: { id: id!, type: 'OrderPlaced', 'replay-id': 'known' },
  };
  await scene.writer.commit(scene.events(scene.record(id!), replayed), await scene.progress());
  await scene.runAudit();
  await removeRecords(scene.topic, { before: '1' });
  // Rows that may be changed may have lost their records with the beginning of the topic.
  await scene.database.pool.query('alter table outbox.event disable trigger refuse_update');
  await scene.insertRow({ createdAt: new Date(agoMs(5)) });
  await scene.writer.commit(await scene.progress());
  expect(await scene.runAudit()).toMatchObject({ missing: 0, unjudged: { missingOrRemoved: 1 } });
});

describe('where a topic has lost its beginning since', () => {
  async function trimmed(scene: Scene, ids: readonly string[]): Promise<void> {
    await scene.writer.commit(scene.events(...ids.map((id) => scene.record(id))), await scene.progress());
    await scene.runAudit();
    await removeRecords(scene.topic, { before: '1' });
  }

  test('a lost row is missing, however old it says it is', async () => {
    await using scene = await openScene();
    await trimmed(scene, await scene.insert(2));
    const lost = await scene.insertRow({ createdAt: new Date('2020-01-01T00:00:00Z') });
    await scene.writer.commit(await scene.progress());
    expect(await scene.runAudit()).toMatchObject({ missing: 1, unjudged: {} });
    expect(await scene.findings()).toEqual([['missing', lost]]);
  });

  test('the time of another producer’s record excuses no row, where rows may be changed', async () => {
    await using scene = await openScene();
    await using other = await openWriter();
    const [removed, kept] = await scene.insert(2);
    await scene.writer.commit(scene.events(scene.record(removed!)));
    const timestamp = String(Date.now() + 3_000_000);
    await other.commit(scene.events({ key: 'k', value: 'theirs', partition: 0, timestamp }));
    await scene.writer.commit(scene.events(scene.record(kept!)), await scene.progress());
    await scene.runAudit();
    await removeRecords(scene.topic, { before: '2' });
    await scene.database.pool.query('alter table outbox.event disable trigger refuse_update');
    const [lost] = await scene.insert();
    await scene.writer.commit(await scene.progress());
    expect(await scene.runAudit()).toMatchObject({ missing: 1, unjudged: { foreign: 1 } });
    expect(await scene.findings()).toEqual([['missing', lost]]);
  });

  test('rows that were changed together are not missing, if the records of some are left', async () => {
    await using scene = await openScene();
    await trimmed(scene, [
      await scene.insertRow({ createdAt: new Date('2020-01-01T00:00:00Z') }),
      ...(await scene.insert()),
    ]);
    await scene.database.pool.query(
      `begin; alter table outbox.event disable trigger refuse_update; update outbox.event set type = type;
       alter table outbox.event enable trigger refuse_update; commit`,
    );
    await scene.writer.commit(await scene.progress());
    expect(await scene.runAudit()).toMatchObject({ missing: 0, unjudged: { rewritten: 1, expired: 1 } });
  });
});

describe('a row', () => {
  test('of a savepoint belongs to the window in which its transaction shows, whatever numbers came between', async () => {
    await using scene = await openScene();
    const id = randomUUID();
    const client = await scene.database.pool.connect();
    try {
      await client.query('begin');
      await client.query('insert into outbox.heartbeat (slot, beat) values ($1, 1)', [unique('other')]);
      await client.query('savepoint s');
      await client.query(
        `insert into outbox.event (id, aggregatetype, aggregateid, type, payload) values ($1, 'order', 'k', 'OrderPlaced', '{"total":1}')`,
        [id],
      );
      await client.query('release s');
      const [between] = await scene.insert();
      await scene.writer.commit(scene.events(scene.record(between!)), await scene.progress());
      expect(await scene.runAudit()).toMatchObject({ events: 1, missing: 0 });
      await client.query('commit');
    } finally {
      client.release();
    }
    await scene.writer.commit(scene.events(scene.record(id)), await scene.progress());
    const row = await scene.runAudit();
    expect(row).toMatchObject({ events: 2, records: 2 });
    expect(row.unjudged).toEqual({});
    await scene.runAudit();
    expect(await scene.findings()).toEqual([]);
  });

  test('that shows after its record was read matches it in a later window', async () => {
    await using scene = await openScene();
    const client = await scene.database.pool.connect();
    const id = randomUUID();
    try {
      await client.query('begin');
      await client.query(
        `insert into outbox.event (id, aggregatetype, aggregateid, type) values ($1, 'order', 'k', 'OrderPlaced')`,
        [id],
      );
      await scene.writer.commit(scene.events(scene.record(id)), await scene.progress());
      await scene.runAudit();
      await scene.runAudit();
      await client.query('commit');
    } finally {
      client.release();
    }
    const row = await scene.runAudit();
    expect(row).toMatchObject({ events: 1, records: 1, leaked: 0 });
    expect(row.unjudged).toEqual({});
  });

  test('that is changed after its event was published is not missing', async () => {
    await using scene = await openScene();
    const [id] = await scene.insert();
    await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
    await scene.runAudit();
    // A trigger of our own table refuses it; another table may have none.
    await scene.database.pool.query(
      `begin; set local session_replication_role = replica; update outbox.event set headers = '{"a":"b"}'; commit`,
    );
    expect(await scene.runAudit()).toMatchObject({ missing: 0, unjudged: { rewritten: 1 } });
  });

  test('that is removed before its window leaves an unknown record, not a leaked one', async () => {
    await using scene = await openScene();
    const [first] = await scene.insert();
    await scene.writer.commit(scene.events(scene.record(first!)), await scene.progress());
    await scene.runAudit();
    const [second] = await scene.insert();
    await scene.writer.commit(scene.events(scene.record(second!)), await scene.progress());
    await scene.database.pool.query('delete from outbox.event');
    await scene.runAudit();
    expect(await scene.runAudit()).toMatchObject({ leaked: 0, duplicate: 0, unjudged: { unknown: 1 } });
  });
});

describe('a dead letter', () => {
  test.each(['resubmitted', 'discarded', 'open'])(
    'that is %s accounts for one row: a later one with its id is missing if it is not published',
    async (status) => {
      await using scene = await openScene();
      const [id] = await scene.insert();
      await scene.deadLetter(id!);
      await scene.writer.commit(await scene.progress());
      expect(await scene.runAudit()).toMatchObject({ missing: 0 });
      await scene.insertRow({ id: id! });
      await scene.database.pool.query('update outbox.dead_letter set status = $1', [status]);
      await scene.writer.commit(await scene.progress());
      await scene.runAudit();
      expect(await scene.findings()).toEqual([['missing', id]]);
    },
  );

  test('that is resubmitted accounts for no row of a later window where the refused one is gone', async () => {
    await using scene = await openScene();
    const [first] = await scene.insert();
    await scene.writer.commit(scene.events(scene.record(first!)), await scene.progress());
    expect(await scene.runAudit()).toMatchObject({ missing: 0, matched: 1 });
    const [lost, published] = await scene.insert(2);
    await scene.insertRow({ id: published! });
    await scene.deadLetter(lost!, 'resubmitted', { position: 1n << 60n });
    await scene.deadLetter(published!, 'resubmitted', { position: (1n << 60n) + 16n });
    await scene.writer.commit(scene.events(scene.record(published!)), await scene.progress());
    expect(await scene.runAudit()).toMatchObject({ missing: 1, matched: 3 });
    expect(await scene.findings()).toEqual([['missing', lost]]);
  });

  test('that is resubmitted while a window runs accounts for the refused row', async () => {
    await using scene = await openScene();
    const [refused, other] = await scene.insert(2);
    await scene.deadLetter(refused!);
    await scene.writer.commit(scene.events(scene.record(other!)), await scene.progress());
    // Between the snapshot, which shows it as open, and the look at the dead letters.
    let resubmitting: Promise<unknown> | undefined;
    const row = await scene.runAudit({
      onDone: () => {
        resubmitting ??= scene.database.pool.query(`update outbox.dead_letter set status = 'resubmitted'`);
      },
    });
    await resubmitting;
    expect(row).toMatchObject({ missing: 0, matched: 2 });
  });

  test('that is released explains one late record, and no second', async () => {
    await using scene = await openScene();
    const [refused, later] = await scene.insert(2);
    const record = scene.record(refused!, { key: 'k' });
    const position = record.headers!.position as string;
    const { commitLsn } = parsePosition(position)!;
    await scene.deadLetter(refused!, 'parked', { position: commitLsn });
    await scene.writer.commit(scene.events(scene.record(later!, { key: 'k' })), await scene.progress());
    await scene.runAudit();
    await scene.database.pool.query(
      `update outbox.dead_letter set status = 'released', released_lsn = pg_current_wal_insert_lsn()`,
    );
    await scene.writer.commit(scene.events(record), await scene.progress());
    expect(await scene.runAudit()).toMatchObject({ missing: 0, outOfOrder: 0, duplicate: 0 });
    await scene.writer.commit(scene.events(record), await scene.progress());
    await scene.runAudit();
    expect(await scene.findings()).toEqual([['duplicate', refused]]);
  });

  test.each(['in the window of its row', 'in a later window'])(
    'that is released while a window runs, %s, is no changed row',
    async (when) => {
      await using scene = await openScene();
      const { pool } = scene.database;
      const [refused, later] = await scene.insert(2);
      const record = scene.record(refused!, { key: 'k' });
      const { commitLsn } = parsePosition(record.headers!.position as string)!;
      await scene.deadLetter(refused!, 'parked', { position: commitLsn });
      await scene.writer.commit(scene.events(scene.record(later!, { key: 'k' })), await scene.progress());
      if (when === 'in a later window') await scene.runAudit();
      // After the snapshot of the next window, and published before that window takes the ends of the topics: further
      // ahead than what other tests write on this server meanwhile.
      await pool.query(
        `update outbox.dead_letter set status = 'released', released_lsn = pg_current_wal_insert_lsn() + 2 ^ 40::numeric,
           system_identifier = (select system_identifier::text from pg_control_system()), topic = $1`,
        [scene.topic],
      );
      await scene.writer.commit(scene.events(record), await scene.progress());
      await scene.runAudit();
      await pool.query('update outbox.dead_letter set released_lsn = pg_current_wal_insert_lsn()');
      await scene.writer.commit(await scene.progress());
      const { unjudged, missing, duplicate } = await scene.runAudit();
      expect({ unjudged, missing, duplicate }).toEqual({
        unjudged: when === 'in a later window' ? { released: 1 } : {},
        missing: 0,
        duplicate: 0,
      });
      expect(await scene.findings()).toEqual([]);
    },
  );

  test('that is released and not published is missing', async () => {
    await using scene = await openScene();
    const [refused] = await scene.insert();
    await scene.deadLetter(refused!, 'parked');
    await scene.writer.commit(await scene.progress());
    await scene.runAudit();
    await scene.database.pool.query(
      `update outbox.dead_letter set status = 'released', released_lsn = pg_current_wal_insert_lsn(),
         system_identifier = (select system_identifier::text from pg_control_system())`,
    );
    await scene.writer.commit(await scene.progress());
    await scene.runAudit();
    expect(await scene.findings()).toEqual([['missing', refused]]);
  });
});

describe('the audit', () => {
  test('verifies nothing while the progress is behind, and says so', async () => {
    await using scene = await openScene();
    await scene.insert();
    await scene.writer.commit(await scene.progress({ endLsn: 16n }));
    const row = await scene.runAudit({ waitMs: 0 });
    expect(row).toMatchObject({ verifiedAt: null, windows: 0, events: 0 });
    expect(row.heldBack).toContain('has not reached');
  });

  test('starts again with what is committed then, if a topic was recreated', async () => {
    await using scene = await openScene();
    const ids = await scene.insert(3);
    await scene.writer.commit(scene.events(...ids.map((id) => scene.record(id))), await scene.progress());
    await scene.runAudit();
    await withAdmin(async (admin) => {
      await admin.deleteTopics({ topics: [scene.topic] });
    });
    await createTopics([{ topic: scene.topic, numPartitions: 2, configEntries: [] }]);
    const again = await scene.runAudit();
    expect(again.startedBecause).toContain('recreated or shortened');
    expect(again.beginsAt).not.toBeNull();
    const [id] = await scene.insert();
    const position = await positionNow(scene);
    await scene.writer.commit(
      scene.events(scene.record(id!, { headers: { position } })),
      await scene.progress(),
    );
    expect(await scene.runAudit()).toMatchObject({ events: 1, missing: 0, leaked: 0 });
  });

  test('starts again in another cluster', async () => {
    await using scene = await openScene();
    const [id] = await scene.insert();
    await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
    await scene.runAudit();
    await scene.database.pool.query(`update outbox.audit set system_identifier = '1'`);
    expect(await scene.runAudit()).toMatchObject({
      startedBecause: 'the database belongs to another Postgres cluster',
      verifiedAt: null,
    });
    expect(await scene.runAudit()).toMatchObject({ events: 0, missing: 0, windows: 1 });
  });

  test('has all it needs with the rights of its role', async () => {
    await using scene = await openScene();
    const owner = await scene.database.pool.connect();
    await applyRoles(owner as unknown as pg.Client).finally(() => owner.release());
    const url = new URL(scene.database.url);
    url.searchParams.set('options', '-c role=outbox_relay');
    const [id] = await scene.insert();
    await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
    const config = { ...scene.config, database: { ...scene.config.database, url: url.href } };
    expect(await scene.runAudit({ config })).toMatchObject({ events: 1, missing: 0 });
    expect(await scene.runAudit({ config, start: asked('now') })).toMatchObject({ events: 0 });
    expect(await scene.runAudit({ config })).toMatchObject({ events: 0, windows: 1 });
  });

  test('stores nothing where another audit was quicker', async () => {
    await using scene = await openScene();
    const [id] = await scene.insert();
    await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
    await scene.runAudit();
    const results = await Promise.allSettled([scene.runAudit(), scene.runAudit()]);
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
    expect(failures.filter((code) => code !== 'AUDIT_OVERTAKEN')).toEqual([]);
    expect(await scene.runAudit()).toMatchObject({ events: 1, records: 1, duplicate: 0 });
  });

  test('reads at most as much in a second as it may', async () => {
    await using scene = await openScene();
    const ids = await scene.insert(60);
    await scene.writer.commit(scene.events(...ids.map((id) => scene.record(id))), await scene.progress());
    const beganMs = performance.now();
    await scene.runAudit({ perSecondMax: 200 });
    expect(performance.now() - beganMs).toBeGreaterThan(550);
  });
});

/** Of a transaction that commits now. */
async function positionNow({ database }: Scene): Promise<string> {
  const { rows } = await database.pool.query<{ lsn: string }>(
    'select pg_current_wal_insert_lsn()::text as lsn',
  );
  return formatPosition(parseLsn(rows[0]!.lsn), 0);
}

describe('an audit that leaves out what is committed when it begins', () => {
  /** A record at the position that the next commit would have. */
  async function recordNow(scene: Scene, id: string) {
    const { rows } = await scene.database.pool.query('select pg_current_wal_insert_lsn()::text as lsn');
    return scene.record(id, { headers: { position: formatPosition(parseLsn(rows[0].lsn), 0) } });
  }
  async function publish(scene: Scene, ...ids: string[]) {
    const records = [];
    for (const id of ids) records.push(await recordNow(scene, id));
    await scene.writer.commit(scene.events(...records), await scene.progress());
  }
  /**
   * Events that cleanup may not take for compared, however far the audit comes: transactions of other tests in the cluster
   * hold back how far that is.
   */
  async function notCompared(scene: Scene): Promise<string[]> {
    const { rows } = await scene.database.pool.query<{ id: string }>(
      `select id from outbox.event as e, (select array(select p from outbox.audit_proofs('outbox.event'::regclass) as p) as proofs) as a
        where outbox.verified_by(proofs) = 0 or outbox.is_left_out(e.xmin::text::bigint, created_at, 0, proofs)
        order by created_at, id`,
    );
    return rows.map(({ id }) => id);
  }
  /** A record is judged once the transactions that ran when it was read have ended. */
  async function untilFound(scene: Scene, expected: Partial<AuditRow>): Promise<void> {
    await vi.waitFor(async () => expect(await scene.runAudit()).toMatchObject(expected), { timeout: 60_000 });
  }
  const old = new Date('2020-01-01T00:00:00Z');
  const young = new Date('2100-01-01T00:00:00Z');

  test('has compared each later row, whatever its created_at says, and none of before', async () => {
    await using scene = await openScene();
    await scene.startNow();
    const before = [await scene.insertRow({ createdAt: young }), await scene.insertRow({ createdAt: old })];
    await publish(scene, ...before);
    await scene.runAudit({ start: asked('now') });
    expect((await notCompared(scene)).toSorted()).toEqual(before.toSorted());
    const after = await scene.insertRow({ createdAt: old });
    await publish(scene, after);
    expect(await scene.runAudit()).toMatchObject({ events: 1, missing: 0, leaked: 0 });
    expect((await notCompared(scene)).toSorted()).toEqual(before.toSorted());
    await scene.runAudit({ start: asked('first') });
    expect(await notCompared(scene)).toEqual([]);
  });

  test('has compared a transaction that was open then, and its savepoints', async () => {
    await using scene = await openScene();
    await scene.startNow();
    const open = await scene.database.pool.connect();
    const inside = [randomUUID(), randomUUID()];
    const insert = `insert into outbox.event (id, aggregatetype, aggregateid, type, payload)
      values ($1, 'order', '1', 'OrderPlaced', '{"total":1}')`;
    await open.query('begin; select pg_current_xact_id()');
    const [left] = await scene.insert();
    await open.query('savepoint one');
    await open.query(insert, [inside[0]]);
    await open.query('savepoint two');
    await open.query(insert, [inside[1]]);
    // So that the numbers of the savepoints are below the first one that had not begun.
    const [alsoLeft] = await scene.insert();
    await publish(scene, left!, alsoLeft!);
    await scene.runAudit({ start: asked('now') });
    await open.query('commit');
    open.release();
    await publish(scene, ...inside);
    expect(await scene.runAudit()).toMatchObject({ events: 2, missing: 0, leaked: 0 });
    expect((await notCompared(scene)).toSorted()).toEqual([left, alsoLeft].toSorted());
  });

  test('misses no event that was published before its row showed, as where a commit waits for a standby, and proves nothing by it', async () => {
    await using scene = await openScene();
    const [id] = await scene.insert();
    const client = await scene.database.pool.connect();
    await client.query('begin');
    const late = randomUUID();
    await client.query(
      `insert into outbox.event (id, aggregatetype, aggregateid, type) values ($1, 'order', '1', 'OrderPlaced')`,
      [late],
    );
    await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
    await scene.runAudit({ start: asked('now') });
    await client.query('commit');
    client.release();
    // Its position is before the audit's beginning.
    await scene.writer.commit(scene.events(scene.record(late)), await scene.progress());
    const row = await scene.runAudit();
    expect(row).toMatchObject({ missing: 0, events: 1, matched: 0, unjudged: { before: 2 } });
    expect(await scene.findings()).toEqual([]);
    const lines = describeStanding({ at: '', slot: scene.config.slot.name, audit: row, latest: [] });
    expect(lines.at(-1)).toMatch(/^nothing compared yet up to .*: none of 1 event has a record/);
    const [next] = await scene.insert();
    await publish(scene, next!);
    expect(await scene.runAudit()).toMatchObject({ events: 2, matched: 1, unjudged: { before: 2 } });
  });

  test('says that it has compared nothing yet where no event was committed since', async () => {
    await using scene = await openScene();
    const [left] = await scene.insert();
    await publish(scene, left!);
    await scene.runAudit({ start: asked('now') });
    const audit = await scene.runAudit();
    expect(audit).toMatchObject({ windows: 1, events: 0, matched: 0 });
    const lines = describeStanding({ at: '', slot: scene.config.slot.name, audit, latest: [] });
    expect(lines.at(-1)).toMatch(
      /^nothing compared yet up to .*: no event was committed since the audit began at /,
    );
  });

  describe('and begins again', () => {
    async function begunAgain(scene: Scene, between: () => Promise<unknown> = async () => {}) {
      await scene.startNow();
      const [left] = await scene.insert();
      await publish(scene, left!);
      await scene.runAudit({ start: asked('now') });
      const [first, second] = await scene.insert(2);
      await publish(scene, first!);
      expect(await scene.runAudit()).toMatchObject({ missingOpen: 1 });
      await publish(scene, second!);
      await untilFound(scene, { missingOpen: 0 });
      await between();
      const [gap] = await scene.insert();
      await publish(scene, gap!);
      await scene.runAudit({ start: asked('now') });
      // Nothing counts before its first window.
      expect(await notCompared(scene)).toEqual(expect.arrayContaining([left, first, second]));
      await scene.writer.commit(await scene.progress());
      await scene.runAudit();
      return { left: [left!, gap!].toSorted(), compared: [first!, second!] };
    }

    test('keeps what the earlier one has compared', async () => {
      await using scene = await openScene();
      const { left } = await begunAgain(scene);
      expect((await notCompared(scene)).toSorted()).toEqual(left);
      await scene.runAudit({ start: asked('now') });
      await scene.runAudit();
      expect((await notCompared(scene)).toSorted()).toEqual(left);
    });

    test('keeps nothing where an event was missing', async () => {
      await using scene = await openScene();
      const { left, compared } = await begunAgain(scene, async () => {
        const missing = await scene.insert();
        await scene.writer.commit(await scene.progress());
        expect(await scene.runAudit()).toMatchObject({ missingOpen: 1 });
        await publish(scene, ...missing);
      });
      expect(await notCompared(scene)).toEqual(expect.arrayContaining([...left, ...compared]));
    });

    test('keeps nothing where an event is missing, or was removed by Kafka', async () => {
      await using scene = await openScene();
      const { left, compared } = await begunAgain(scene, () =>
        scene.database.pool.query(`update outbox.audit set unjudged = '{"missingOrRemoved": 1}'`),
      );
      expect(await notCompared(scene)).toEqual(expect.arrayContaining([...left, ...compared]));
      const { rows } = await scene.database.pool.query(
        `select details #>> '{forgets,missing_or_removed}' as perhaps from outbox.trail order by acted_at desc limit 1`,
      );
      expect(rows).toEqual([{ perhaps: '1' }]);
    });

    test('keeps nothing where a topic lost its records', async () => {
      await using scene = await openScene();
      const { left, compared } = await begunAgain(scene, () =>
        withAdmin(async (admin) => {
          await admin.deleteTopics({ topics: [scene.topic] });
          await createTopics([{ topic: scene.topic, numPartitions: 2 }]);
        }),
      );
      expect(await notCompared(scene)).toEqual(expect.arrayContaining([...left, ...compared]));
    });
  });

  test('that an earlier release began goes by created_at for the rows of before, and by transactions for later ones', async () => {
    await using scene = await openScene();
    await scene.startNow();
    const [left] = await scene.insert();
    await publish(scene, left!);
    await scene.runAudit({ start: asked('now') });
    const within = [await scene.insertRow({}), await scene.insertRow({ createdAt: old })];
    await publish(scene, ...within);
    await scene.runAudit();
    await scene.database.pool.query(
      'update outbox.audit set begins_of = null, begins_xid = null, compared_besides = null, tables_since = null',
    );
    expect((await notCompared(scene)).toSorted()).toEqual([left, within[1]].toSorted());
    const after = await scene.insertRow({ createdAt: old });
    await publish(scene, after);
    await scene.runAudit();
    expect((await notCompared(scene)).toSorted()).toEqual([left, within[1]].toSorted());
  });

  test('goes on from where it is without a gap, with its findings at 0, but for what is missing', async () => {
    await using scene = await openScene();
    await scene.startNow();
    const [left] = await scene.insert();
    await publish(scene, left!);
    await scene.runAudit({ start: asked('now') });
    const [there, absent, ...later] = await scene.insert(4);
    const leaked = randomUUID();
    await publish(scene, there!, leaked, there!);
    await untilFound(scene, { leaked: 1, duplicate: 1, missing: 3 });
    await publish(scene, later[0]!);
    const again = await scene.runAudit({ start: asked('here') });
    expect(again).toMatchObject({ leaked: 0, duplicate: 0, startedBecause: 'asked to start where it was' });
    await untilFound(scene, { leaked: 0, duplicate: 0, missing: 3, missingOpen: 2 });
    await publish(scene, absent!, later[1]!, there!);
    await untilFound(scene, { leaked: 0, duplicate: 1, missingOpen: 0 });
    expect(await notCompared(scene)).toEqual([left]);
    const { rows } = await scene.database.pool.query(
      `select target, details -> 'forgets' as forgets from outbox.trail`,
    );
    expect(rows).toMatchObject([
      { target: 'now' },
      { target: 'here', forgets: { leaked: 1, duplicate: 1, missing: 0 } },
    ]);
  });

  test('is in the audit trail with what it forgets, or does not begin', async () => {
    await using scene = await openScene();
    const [there, absent] = await scene.insert(2);
    await publish(scene, there!);
    await scene.runAudit();
    expect(await scene.findings()).toEqual([['missing', absent]]);
    const { pool } = scene.database;
    await pool.query('alter table outbox.action add constraint refused check (false)');
    await expect(scene.runAudit({ start: asked('now') })).rejects.toThrow();
    expect(await scene.findings()).toEqual([['missing', absent]]);
    await pool.query('alter table outbox.action drop constraint refused');
    await scene.runAudit({ start: asked('now') });
    expect(await scene.findings()).toEqual([]);
    const trail = await pool.query('select action, target, person, note, details from outbox.trail');
    expect(trail.rows).toMatchObject([
      {
        action: 'audit-start',
        target: 'now',
        person: 'ada',
        note: 'dealt with',
        details: { forgets: { missing: 1, duplicate: 0, since: expect.any(String) } },
      },
    ]);
  });
});

test('a window reads every row where more transactions passed since the last one than ages can tell', async () => {
  await using scene = await openScene();
  const [id] = await scene.insert();
  const client = await scene.database.pool.connect();
  try {
    await client.query('begin isolation level repeatable read');
    const { text } = await openWindow(client);
    const base = parseSnapshot(text).xmax - 2n ** 31n - 100n;
    const rows = new WindowRows(client, scene.config, text, {
      counted: new CountedXids(base),
      beginsXid: 0n,
    });
    const ids: string[] = [];
    for await (const page of rows.pages()) ids.push(...page.map((row) => row.id));
    expect(ids).toEqual([id]);
  } finally {
    await client.query('rollback');
    client.release();
  }
});
