import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { AuditStage } from '../../../relay/audit/audit.ts';
import { describeReport } from '../../../relay/commands/describe-audit.ts';
import { describeStanding } from '../../../relay/commands/describe-standing-audit.ts';
import { topicResource } from '../../../relay/connect/kafka.ts';
import { formatPosition } from '../../../relay/model/position.ts';
import { applyRoles } from '../../migrations/outbox.ts';
import { removeRecords, withAdmin } from '../../support/kafka.ts';
import { openScene, type Scene, told } from './scene.ts';
import { openWriter } from './topics.ts';

test('all is well when every committed event is in Kafka once, and nothing of an aborted or rolled-back transaction', async () => {
  await using scene = await openScene();
  const ids = await scene.insert(50);
  const client = await scene.database.pool.connect();
  await client.query('begin');
  await client.query(
    `insert into outbox.event (aggregatetype, aggregateid, type) values ('order', '1', 'OrderPlaced')`,
  );
  await client.query('rollback');
  client.release();
  const records = ids.map((id, n) => scene.record(id, { partition: n % 2 }));
  await scene.writer.abort(scene.events(...records, scene.record(randomUUID())));
  await scene.writer.commit(scene.events(...records), await scene.progress());
  await scene.writer.abort(scene.events(scene.record(randomUUID())));
  const report = await scene.audit();
  expect(told(report)).toEqual({});
  expect(report).toMatchObject({
    ok: true,
    isCovered: true,
    events: 50,
    records: 50,
    topics: [scene.topic],
    progress: { isSameDatabase: true },
  });
});

test('an event that Kafka has only in an aborted transaction is missing', async () => {
  await using scene = await openScene();
  const [there, absent] = await scene.insert(2);
  await scene.writer.abort(scene.events(scene.record(absent!)));
  await scene.writer.commit(scene.events(scene.record(there!)), await scene.progress());
  const report = await scene.audit();
  expect(report.ok).toBe(false);
  expect(told(report)).toEqual({ missing: [absent] });
});

test('an event that two committed transactions hold is a duplicate', async () => {
  await using scene = await openScene();
  const [id] = await scene.insert();
  await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
  await scene.writer.commit(scene.events(scene.record(id!)));
  expect(told(await scene.audit())).toEqual({ duplicate: [id] });
});

test('an event of a transaction that was rolled back in Postgres is leaked', async () => {
  await using scene = await openScene();
  const [kept] = await scene.insert();
  const client = await scene.database.pool.connect();
  await client.query('begin');
  const { rows } = await client.query<{ id: string }>(
    `insert into outbox.event (aggregatetype, aggregateid, type) values ('order', '1', 'OrderPlaced') returning id`,
  );
  await client.query('rollback');
  client.release();
  const leaked = rows[0]!.id;
  await scene.writer.commit(scene.events(scene.record(kept!), scene.record(leaked)), await scene.progress());
  expect(told(await scene.audit())).toEqual({ leaked: [leaked] });
});

test('a record whose row does not show yet is not leaked: verify waits for what runs, and otherwise proves nothing', async () => {
  await using scene = await openScene();
  const [kept] = await scene.insert();
  await using writer = await scene.openTransaction();
  const record = scene.record(writer.id, { timestamp: String(Date.now()) });
  await scene.writer.commit(scene.events(scene.record(kept!), record), await scene.progress());
  const early = await scene.audit();
  expect(early.ok).toBe(false);
  expect(told(early)).toEqual({ leakedOrNotShown: [writer.id] });

  // As a commit that a synchronous standby confirms while the audit waits.
  const onStage = ({ stage }: AuditStage) => {
    if (stage === 'transactions') void writer.end('commit');
  };
  const report = await scene.audit({ waitMs: 60_000, onStage });
  expect(told(report)).toEqual({ newer: [writer.id] });
  expect(report.ok).toBe(true);
});

test('a record from before the oldest row is unknown, and leaked with expectAll', async () => {
  await using scene = await openScene();
  const [id] = await scene.insert();
  const old = randomUUID();
  const record = scene.record(old, { timestamp: String(Date.now() - 86_400_000) });
  await scene.writer.commit(scene.events(record, scene.record(id!)), await scene.progress());
  const report = await scene.audit();
  expect(told(report)).toEqual({ unknown: [old] });
  expect(report.ok).toBe(true);
  expect(told(await scene.audit({ expectAll: true }))).toEqual({ leaked: [old] });
});

test('a row is older than the first start by its transaction, not by what it says, in verify and the standing audit', async () => {
  await using scene = await openScene();
  const early = await scene.insertRow({ createdAt: new Date('2040-01-01T00:00:00Z') });
  await scene.startNow();
  const lost = await scene.insertRow({ createdAt: new Date('2020-01-01T00:00:00Z') });
  await scene.writer.commit(await scene.progress());
  expect(told(await scene.audit())).toEqual({ before: [early], missing: [lost] });
  expect(await scene.runAudit()).toMatchObject({ missing: 1, unjudged: { before: 1 } });
  expect(await scene.findings()).toEqual([['missing', lost]]);
});

test('a record whose row said that it is old, until cleanup removed it, is not taken for leaked, and verify does not succeed', async () => {
  await using scene = await openScene();
  const [kept] = await scene.insert();
  const gone = await scene.insertRow({ createdAt: new Date('2020-01-01T00:00:00Z') });
  await scene.writer.commit(scene.events(scene.record(kept!), scene.record(gone)), await scene.progress());
  await scene.database.pool.query('delete from outbox.event where id = $1', [gone]);
  await scene.database.pool.query(
    `select outbox.note_removal('outbox.event_default', '2020-01-02T00:00:00Z', 1, null, null)`,
  );
  const report = await scene.audit();
  expect(told(report)).toEqual({ leakedOrRemoved: [gone] });
  expect(report).toMatchObject({ ok: false, removedAt: expect.stringMatching(/^20/) });
  // It finds what it cannot explain, and says what else it may be.
  await expect.poll(() => scene.runAudit(), { timeout: 60_000 }).toMatchObject({ leaked: 1 });
  const { rows } = await scene.database.pool.query('select event_id as id, detail from outbox.audit_finding');
  expect(rows).toEqual([{ id: gone, detail: expect.stringContaining('or cleanup removed its row') }]);
});

test('a position that falls along the offsets of a key is out of order', async () => {
  await using scene = await openScene();
  const [first, second] = await scene.insert(2);
  const earlier = scene.record(first!, { key: 'k' });
  const later = scene.record(second!, { key: 'k' });
  await scene.writer.commit(scene.events(later, earlier), await scene.progress());
  const { findings } = await scene.audit();
  expect(findings.outOfOrder).toMatchObject({
    count: 1,
    first: [{ id: first, topic: scene.topic, partition: 0, offset: '1' }],
  });
});

test('records that no consumer can decode are reported with the reason, and never with their bytes', async () => {
  await using scene = await openScene();
  const ids = await scene.insert(5);
  const values = [
    scene.value(Buffer.from([2]), 987_654),
    scene.value(Buffer.from([2, 2])),
    scene.value(Buffer.alloc(0)),
    Buffer.from('{"total":1'),
    Buffer.from([0, 1]),
  ];
  const records = values.map((value, n) => scene.record(ids[n]!, { value }));
  await scene.writer.commit(scene.events(...records), await scene.progress());
  const report = await scene.audit();
  expect(told(report)).toEqual({ undecodable: ids });
  expect(
    report.findings.undecodable.first.map(({ reason }) => reason.replace(/schema \d+/, 'schema')),
  ).toEqual([
    'schema: unknown to the registry',
    'schema: the bytes do not fit it',
    'schema: the bytes do not fit it',
    'neither Confluent framing nor JSON',
    'no Confluent framing',
  ]);
});

describe('dead letters', () => {
  test('account for events that Kafka lacks', async () => {
    await using scene = await openScene();
    const [dead] = await scene.insert();
    await scene.deadLetter(dead!);
    await scene.writer.commit(await scene.progress());
    const report = await scene.audit();
    expect(told(report)).toEqual({});
    expect(report.deadLetters).toBe(1);
  });

  test('that were published as well are a finding, unless they were resubmitted', async () => {
    await using scene = await openScene();
    const [open, resubmitted] = await scene.insert(2);
    await scene.deadLetter(open!);
    await scene.deadLetter(resubmitted!, 'resubmitted');
    await scene.writer.commit(
      scene.events(scene.record(open!), scene.record(resubmitted!)),
      await scene.progress(),
    );
    expect(told(await scene.audit())).toEqual({ deadLetterPublished: [open] });
  });

  test('that were resubmitted account for nothing once the progress covers what was written for them', async () => {
    await using scene = await openScene();
    const [lost, published, refusedAgain, closedAgain, meanwhile] = await scene.insert(5);
    for (const id of [lost!, published!, refusedAgain!, closedAgain!]) {
      await scene.deadLetter(id, 'resubmitted');
      // What was written for it, next to the refused row; of `lost` that row is gone, as where the id is unique.
      if (id !== lost) await scene.insertRow({ id });
    }
    await scene.deadLetter(refusedAgain!, 'open');
    await scene.deadLetter(closedAgain!, 'discarded');
    await scene.deadLetter(meanwhile!, 'open');
    const resubmitAndPublish = async () => {
      await scene.database.pool.query(
        `update outbox.dead_letter set status = 'resubmitted' where event_id = $1`,
        [meanwhile],
      );
      await scene.writer.commit(scene.events(scene.record(published!)), await scene.progress());
    };
    expect(told(await scene.audit())).toEqual({ notYetPublished: [lost, published] });
    let publishing: Promise<void> | undefined;
    const report = await scene.audit({
      waitMs: 60_000,
      onStage: ({ stage }) => {
        if (stage === 'progress') publishing ??= resubmitAndPublish();
      },
    });
    await publishing;
    expect(told(report)).toEqual({ missing: [lost] });
    // The next snapshot shows that it was resubmitted.
    expect(told(await scene.audit())).toEqual({ missing: [lost, meanwhile] });
  });

  test('that were resubmitted account for the refused row, and for none where what was written for it is lost, for both audits', async () => {
    await using scene = await openScene();
    const [alone, lost, published, twice, other] = await scene.insert(5);
    for (const id of [alone!, lost!, published!, twice!, twice!]) await scene.deadLetter(id, 'resubmitted');
    // Of `alone` the refused row is gone, and of `twice` the first one of two.
    for (const id of [lost!, published!, twice!]) await scene.insertRow({ id });
    await scene.writer.commit(
      scene.events(scene.record(published!), scene.record(other!)),
      await scene.progress(),
    );
    expect(told(await scene.audit())).toEqual({ missing: [alone, lost, twice] });
    expect(await scene.runAudit()).toMatchObject({ missing: 3, matched: 5, unjudged: {} });
    expect((await scene.findings()).map(([, id]) => id).sort()).toEqual([alone, lost, twice].sort());
  });

  test('of another cluster account for rows that came with them, and for none that was written here, for both audits', async () => {
    await using scene = await openScene();
    const [restored, other] = await scene.insert(2);
    await scene.startNow();
    const [lost, resubmitted] = await scene.insert(2);
    for (const [id, status] of [
      [restored, 'open'],
      [lost, 'discarded'],
      [resubmitted, 'resubmitted'],
    ] as const)
      await scene.deadLetter(id!, status, { systemIdentifier: '42' });
    await scene.database.pool.query(
      `update outbox.progress set first_snapshot = null, initialised_at = 'epoch' where slot = $1`,
      [scene.config.slot.name],
    );
    await scene.writer.commit(
      scene.events(scene.record(other!), scene.record(resubmitted!)),
      await scene.progress(),
    );
    expect(told(await scene.audit())).toEqual({ missing: [lost] });
    expect(await scene.runAudit()).toMatchObject({ missing: 1, matched: 3, unjudged: {} });
    expect(await scene.findings()).toEqual([['missing', lost]]);
  });
});

describe('on a running system', () => {
  test('events that are committed and published after the snapshot are newer, and no finding', async () => {
    await using scene = await openScene();
    const [id] = await scene.insert();
    await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
    const newer = randomUUID();
    const beyond = { position: formatPosition(1n << 59n, 0) };
    await scene.writer.commit(scene.events(scene.record(newer, { headers: beyond })));
    expect(told(await scene.audit())).toEqual({ newer: [newer] });
  });

  test('an event that becomes visible only after the snapshot is newer, whatever its position', async () => {
    await using scene = await openScene();
    await scene.insert(); // so that the table covers what comes later
    await scene.writer.commit(await scene.progress({ endLsn: 1n }));
    const late = randomUUID();
    const report = await auditWhile(scene, async () => {
      await scene.database.pool.query(
        `insert into outbox.event (id, aggregatetype, aggregateid, type) values ($1, 'order', '1', 'OrderPlaced')`,
        [late],
      );
      await scene.writer.commit(scene.events(scene.record(late)), await scene.progress());
    });
    expect(report.unjudged.newer.first).toEqual([late]);
    expect(report.findings.leaked.count).toBe(0);
  });

  test('the audit waits for the progress, and reads what it covers although it was published after the snapshot', async () => {
    await using scene = await openScene();
    const [id] = await scene.insert();
    await scene.writer.commit(await scene.progress({ endLsn: 1n }));
    const report = await auditWhile(scene, async () => {
      await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress());
    });
    expect(told(report)).toEqual({});
    expect(report).toMatchObject({ isCovered: true, records: 1 });
  });

  describe('where the progress is behind the end of the WAL, as on an idle system before a heartbeat', () => {
    /** Beyond every position of a scene, and below the first snapshot of any cluster. */
    const endLsn = 1n << 20n;
    const waitMs = 60_000;
    /** A wait would begin with this stage, and last a minute. */
    async function auditOnce(scene: Scene) {
      const stages: string[] = [];
      const hasWaited = new Error('it waits');
      const report = await scene.audit({
        waitMs,
        onStage: ({ stage }) => {
          stages.push(stage);
          if (stage === 'progress') throw hasWaited;
        },
      });
      expect(stages).toContain('topics');
      return report;
    }

    /** A dead letter of this cluster, as the relay writes it. */
    async function refuse(scene: Scene, id: string, status = 'open') {
      await scene.deadLetter(id, status);
      await scene.database.pool.query(
        'update outbox.dead_letter set system_identifier = (select system_identifier::text from pg_control_system())',
      );
    }

    test('the audit does not wait if every event is in Kafka or a dead letter, below the progress', async () => {
      await using scene = await openScene();
      const [id, refused] = await scene.insert(2);
      await refuse(scene, refused!);
      await scene.writer.commit(scene.events(scene.record(id!)), await scene.progress({ endLsn }));
      const report = await auditOnce(scene);
      expect(told(report)).toEqual({});
      expect(report).toMatchObject({ ok: true, isCovered: true, progress: { isAtSnapshot: false } });
    });

    test.each([
      ['an event is absent', 0, {}],
      ['the progress is not past an event', 1, { endLsn: 1n }],
      ['the progress is of another database', 1, { systemIdentifier: '42' }],
    ])('it waits if %s', async (_, published, changes) => {
      await using scene = await openScene();
      const [id] = await scene.insert();
      const records = [scene.record(id!)].slice(0, published);
      await scene.writer.commit(
        ...(published === 0 ? [] : [scene.events(...records)]),
        await scene.progress({ endLsn, ...changes }),
      );
      await expect(auditOnce(scene)).rejects.toThrow('it waits');
      // Nor does it conclude anything without waiting.
      expect(await scene.audit()).toMatchObject({ isCovered: false });
    });

    test('it waits if a dead letter that was resubmitted or released is all that accounts for an event', async () => {
      for (const status of ['resubmitted', 'released']) {
        await using scene = await openScene();
        const [id] = await scene.insert();
        await refuse(scene, id!, status);
        await scene.writer.commit(await scene.progress({ endLsn }));
        await expect(auditOnce(scene)).rejects.toThrow('it waits');
      }
    });
  });

  test('the audit waits for a transaction that is committed, but not visible yet when the ends are taken', async () => {
    await using scene = await openScene();
    await using slow = await openWriter();
    const [id] = await scene.insert();
    const commit = await slow.open(scene.events(scene.record(id!)));
    await scene.writer.commit(await scene.progress());
    let committing: Promise<void> | undefined;
    const report = await scene.audit({
      onStage: ({ stage }) => {
        if (stage === 'topics') committing ??= commit();
      },
    });
    await committing;
    expect(told(report)).toEqual({});
    expect(report).toMatchObject({ isCovered: true, records: 1 });
  });

  test.each([
    ['does not reach the snapshot', { endLsn: 1n }, { isSameDatabase: true }],
    ['is of another database, and that is no success', { systemIdentifier: '42' }, { isSameDatabase: false }],
  ])('absent events are not yet published when the progress %s', async (_, changes, progress) => {
    await using scene = await openScene();
    const [there, absent] = await scene.insert(2);
    await scene.writer.commit(scene.events(scene.record(there!)), await scene.progress(changes));
    const report = await scene.audit();
    expect(told(report)).toEqual({ notYetPublished: [absent] });
    expect(report).toMatchObject({ ok: progress.isSameDatabase, isCovered: false, progress });
  });

  test('absent events are not yet published when no relay ever ran, and that is no success', async () => {
    await using scene = await openScene();
    expect(await scene.audit()).toMatchObject({ ok: true, events: 0, progress: null });
    const [absent] = await scene.insert();
    const report = await scene.audit();
    expect(told(report)).toEqual({ notYetPublished: [absent] });
    expect(report).toMatchObject({ ok: false, progress: null });
  });

  test('a progress of another database is no success, even where every event is found', async () => {
    await using scene = await openScene();
    const [id] = await scene.insert();
    await scene.writer.commit(
      scene.events(scene.record(id!)),
      await scene.progress({ systemIdentifier: '42' }),
    );
    const report = await scene.audit();
    expect(told(report)).toEqual({});
    expect(report).toMatchObject({ ok: false, matched: 1 });
  });
});

test('events that are gone with the beginning of the topic are expired, if the topic does not keep them for longer', async () => {
  await using scene = await openScene({ partitions: 1 });
  const old = await scene.insertRow({ createdAt: new Date(Date.now() - 30 * 86_400_000) });
  const [young, kept] = await scene.insert(2);
  await scene.writer.commit(scene.events(scene.record(old)), scene.events(scene.record(young!)));
  await scene.writer.commit(scene.events(scene.record(kept!)), await scene.progress());
  await removeRecords(scene.topic, { before: '3' });
  const report = await scene.audit();
  expect(told(report)).toEqual({ expired: [old], missingOrRemoved: [young] });
  expect(report.ok).toBe(false);
  expect(told(await scene.audit({ expectAll: true }))).toEqual({
    missing: expect.arrayContaining([old, young]),
  });
  expect(await scene.runAudit()).toMatchObject({
    missing: 0,
    unjudged: { expired: 1, missingOrRemoved: 1 },
  });

  await withAdmin((admin) => {
    const configEntries = [{ name: 'retention.bytes', value: '1000000' }];
    return admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: topicResource, name: scene.topic, configEntries }],
    });
  });
  expect(told(await scene.audit())).toEqual({ expired: expect.arrayContaining([old, young]) });
});

test('nothing is proven where Kafka has removed every record', async () => {
  await using scene = await openScene({ partitions: 1 });
  const old = await scene.insertRow({ createdAt: new Date('2020-01-01T00:00:00Z') });
  await scene.writer.commit(scene.events(scene.record(old)), await scene.progress());
  await removeRecords(scene.topic);
  const report = await scene.audit();
  expect(told(report)).toEqual({ expired: [old] });
  expect(report).toMatchObject({ ok: false, events: 1, matched: 0 });
  expect(describeReport(report).at(-1)).toMatch(
    /^NOT PROVEN: nothing could be compared\. None of 1 event has/,
  );
});

test('a partition that Kafka has emptied excuses no young event, for both audits', async () => {
  await using scene = await openScene();
  const [kept, removed, lost] = [
    await scene.insertRow({}),
    await scene.insertRow({}),
    await scene.insertRow({}),
  ];
  const old = await scene.insertRow({ createdAt: new Date(Date.now() - 30 * 86_400_000) });
  await scene.writer.commit(
    scene.events(scene.record(kept), scene.record(removed, { partition: 1 })),
    await scene.progress(),
  );
  await removeRecords(scene.topic, { partition: 1 });
  const report = await scene.audit();
  expect(told(report)).toEqual({ expired: [old], missingOrRemoved: expect.arrayContaining([removed, lost]) });
  expect(report).toMatchObject({ ok: false, matched: 1 });
  expect(await scene.runAudit()).toMatchObject({
    missing: 0,
    matched: 1,
    unjudged: { expired: 1, missingOrRemoved: 2 },
  });
});

describe('where the oldest record left is of another producer, and says that it is of the future', () => {
  /** One record of an event is removed, and the foreign one remains, with those of the events that `kept` makes. */
  async function trimmed(scene: Scene, kept: readonly string[]): Promise<void> {
    const [removed] = await scene.insert();
    await using other = await openWriter();
    await scene.writer.commit(scene.events(scene.record(removed!)));
    const timestamp = String(Date.now() + 3_000_000);
    await other.commit(scene.events({ key: 'k', value: 'theirs', partition: 0, timestamp }));
    await scene.writer.commit(
      scene.events(...kept.map((id) => scene.record(id, { timestamp: String(Date.now() - 60_000) }))),
      await scene.progress(),
    );
    await removeRecords(scene.topic, { before: '2' });
    await scene.database.pool.query(`delete from outbox.event where id = $1`, [removed]);
  }

  test('a lost event is missing for both audits', async () => {
    await using scene = await openScene({ partitions: 1 });
    const [lost, kept] = await scene.insert(2);
    await trimmed(scene, [kept!]);
    expect(told(await scene.audit())).toEqual({ missing: [lost], foreign: [null] });
    expect(await scene.runAudit()).toMatchObject({ missing: 1, unjudged: { foreign: 1 } });
  });

  test('nothing is proven where no record of the outbox is left beside it', async () => {
    await using scene = await openScene({ partitions: 1 });
    const [lost] = await scene.insert();
    await trimmed(scene, []);
    const report = await scene.audit();
    expect(told(report)).toEqual({ missingOrRemoved: [lost], foreign: [null] });
    expect(report.ok).toBe(false);
    expect(describeReport(report).at(-1)).toMatch(/^NOT PROVEN: 1 event without a record, /);
    const row = await scene.runAudit();
    expect(row).toMatchObject({ missing: 0, unjudged: { missingOrRemoved: 1 } });
    const lines = describeStanding({ at: '', slot: scene.config.slot.name, audit: row, latest: [] });
    expect(lines.at(-1)).toMatch(/^NOT PROVEN up to .*: 1 event without a record, /);
    await scene.writer.commit(await scene.progress());
    const start = { from: 'here', person: 'ada', reason: 'it was removed' } as const;
    expect((await scene.runAudit({ start })).unjudged).toEqual({ expired: 1, foreign: 1 });
  });
});

test('a table of more rows than one fetch of the cursor is read whole', async () => {
  await using scene = await openScene();
  await scene.insert(25_001);
  const report = await scene.audit({ maxIds: 3 });
  expect(report.events).toBe(25_001);
  expect(report.unjudged.notYetPublished.count).toBe(25_001);
  expect(report.unjudged.notYetPublished.first).toHaveLength(3);
});

test('the role of the relay has every right that the audit needs', async () => {
  await using scene = await openScene();
  const client = await scene.database.pool.connect();
  await applyRoles(client).finally(() => client.release());
  const [dead] = await scene.insert();
  await scene.deadLetter(dead!);
  await scene.writer.commit(scene.events(scene.record(randomUUID())), await scene.progress());
  const url = new URL(scene.config.database.url);
  url.searchParams.set('options', '-c role=outbox_relay');
  const config = { ...scene.config, database: { ...scene.config.database, url: url.href } };
  expect(await scene.audit({ config })).toMatchObject({ events: 1, deadLetters: 1, isCovered: true });
});

/** Audits, and works when the snapshot has been closed and the audit waits for the progress. */
async function auditWhile(scene: Scene, work: () => Promise<void>) {
  let working: Promise<void> | undefined;
  const report = await scene.audit({
    waitMs: 30_000,
    onStage: ({ stage }) => {
      if (stage === 'progress') working = work();
    },
  });
  await working;
  return report;
}
