import { randomUUID } from 'node:crypto';
import pino from 'pino';
import { expect, test } from 'vitest';
import { auditDebezium, type DebeziumReport } from '../../../relay/audit/debezium.ts';
import { createKafka } from '../../../relay/connect/kafka.ts';
import { removeRecords } from '../../support/kafka.ts';
import { openScene, type Scene } from './scene.ts';
import { openWriter } from './topics.ts';

/** As the event router writes it: the id as a header, the payload as JSON, no position. */
const routed = (id: string, value: string | null = '{"total":1}') => ({
  key: 'k',
  value: value === null ? null : Buffer.from(value),
  partition: 0,
  timestamp: String(Date.now() - 120_000),
  headers: { id },
});

/** A slot that has confirmed everything that is committed when it is called, as a connector would. */
async function confirm({ database, config }: Scene): Promise<void> {
  const { name } = config.slot;
  const { rowCount } = await database.pool.query('select from pg_replication_slots where slot_name = $1', [
    name,
  ]);
  if (rowCount === 0)
    await database.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [name]);
  await database.pool.query(`select pg_replication_slot_advance($1, pg_current_wal_flush_lsn())`, [name]);
}

function audit({ config }: Scene, waitMs = 0): Promise<DebeziumReport> {
  const kafka = createKafka(config, pino({ level: 'silent' }));
  return auditDebezium({ config, kafka, waitMs });
}

/** Beside a connector that goes on confirming: others write WAL to the same server. */
async function auditConfirmed(scene: Scene): Promise<DebeziumReport> {
  let isDone = false;
  const report = audit(scene, 60_000).finally(() => {
    isDone = true;
  });
  while (!isDone) await confirm(scene);
  return report;
}

/** Nothing of ours is in the database but the table. */
async function forgetOutbox({ database }: Scene): Promise<void> {
  await database.pool.query(
    'drop table outbox.audit, outbox.audit_finding, outbox.dead_letter_action, outbox.dead_letter cascade',
  );
}

const old = () => new Date(Date.now() - 180_000);

test('an outbox of Debezium is audited by the ids of its records alone, with no table of ours', async () => {
  await using scene = await openScene();
  await forgetOutbox(scene);
  const ids = await Promise.all([1, 2, 3, 4].map(() => scene.insertRow({ createdAt: old() })));
  const [one, two, three, absent] = ids as [string, string, string, string];
  const leaked = randomUUID();
  await scene.writer.commit(
    scene.events(
      routed(one),
      routed(`"${two}"`, null),
      routed(three, 'no json'),
      routed(one),
      routed(leaked),
    ),
  );
  await confirm(scene);
  try {
    const report = await auditConfirmed(scene);
    expect(report).toMatchObject({ ok: false, isCovered: true, events: 4, records: 5 });
    expect(report.findings).toEqual({ missing: 1, duplicate: 1, leaked: 1, out_of_order: 0, undecodable: 1 });
    const found = report.first.map(({ kind, id }) => [kind, id]).toSorted();
    expect(found).toEqual([
      ['duplicate', one],
      ['leaked', leaked],
      ['missing', absent],
      ['undecodable', three],
    ]);
  } finally {
    await scene.database.pool.query('select pg_drop_replication_slot($1)', [scene.config.slot.name]);
  }
});

test('a value is judged once it is known whose it is: others may write to the topic, with an id of their own', async () => {
  await using scene = await openScene();
  await using other = await openWriter();
  const id = await scene.insertRow({ createdAt: old() });
  const older = String(Date.now() - 86_400_000);
  const damaged = { ...routed(randomUUID(), 'no json'), timestamp: older };
  const theirs = { ...routed('order-7', 'protobuf'), timestamp: older };
  await other.commit(scene.events({ ...theirs, headers: {} }, theirs));
  await scene.writer.commit(scene.events(damaged, routed(id)));
  try {
    const report = await auditConfirmed(scene);
    expect(report.findings).toMatchObject({ undecodable: 1, leaked: 0, missing: 0 });
    expect(report.first.map((finding) => finding.id)).toEqual([damaged.headers.id]);
    expect(report.unjudged).toEqual({ foreign: 2, unknown: 1 });
    expect(report.foreignTopics).toEqual([
      { topic: scene.topic, records: 2, partition: 0, offset: '0', reason: 'no header id' },
    ]);
  } finally {
    await scene.database.pool.query('select pg_drop_replication_slot($1)', [scene.config.slot.name]);
  }
});

test('what the slot of the connector has not confirmed is not missing, and not verified', async () => {
  await using scene = await openScene();
  await confirm(scene);
  await scene.insertRow({ createdAt: old() });
  try {
    const report = await audit(scene);
    expect(report).toMatchObject({ ok: false, isCovered: false, unjudged: { notYetPublished: 1 } });
    expect(report.findings.missing).toBe(0);
  } finally {
    await scene.database.pool.query('select pg_drop_replication_slot($1)', [scene.config.slot.name]);
  }
});

test('a record whose row does not show yet is not leaked, and the audit is not complete before it shows', async () => {
  await using scene = await openScene();
  await confirm(scene);
  const kept = await scene.insertRow({ createdAt: old() });
  await using writer = await scene.openTransaction();
  await scene.writer.commit(scene.events(routed(kept), routed(writer.id)));
  try {
    await confirm(scene);
    const early = await audit(scene);
    expect(early).toMatchObject({ ok: false, unjudged: { leakedOrNotShown: 1 }, findings: { leaked: 0 } });
    await writer.end('rollback');
    expect((await audit(scene)).findings.leaked).toBe(1);
  } finally {
    await writer.end('rollback');
    await scene.database.pool.query('select pg_drop_replication_slot($1)', [scene.config.slot.name]);
  }
});

test.each([
  ['is missing', true, { missing: 1 }, {}],
  [
    'may be missing, which is no success, where no record of a row is left',
    false,
    { missing: 0 },
    { missingOrRemoved: 1 },
  ],
])(
  'the future time of a foreign record excuses no lost event: it %s',
  async (_, isLeft, findings, unjudged) => {
    await using scene = await openScene({ partitions: 1 });
    const [gone, left] = [randomUUID(), await scene.insertRow({ createdAt: old() })];
    await scene.writer.commit(scene.events(routed(gone)));
    const timestamp = String(Date.now() + 3_000_000);
    await scene.writer.commit(scene.events({ key: 'k', value: 'theirs', partition: 0, timestamp }));
    if (isLeft) {
      await scene.writer.commit(scene.events(routed(left)));
      await scene.insertRow({ createdAt: new Date() });
    }
    await removeRecords(scene.topic, { before: '2' });
    const report = await auditConfirmed(scene);
    expect(report).toMatchObject({ ok: false, findings, unjudged: { foreign: 1, ...unjudged } });
  },
);
