/** What tests of replays share: a relay that publishes until Postgres knows it, and what a replay wrote. */
import { expect, vi } from 'vitest';
import { KeyOrder } from '../../../harness/deliveries.ts';
import type { Settings } from '../../../harness/relay-process.ts';
import { type ReadRecord, readCommitted } from '../../support/kafka.ts';
import { idOf, itemOf, type World } from '../world.ts';

export const doIt = ['--reason', 'a test', '--yes', '--json'];

/** Has a relay publish what `write` writes, until Postgres knows that it is published. */
export async function publish<Result>(
  world: World,
  write: () => Promise<Result>,
  settings: Settings = {},
): Promise<Result> {
  const relay = world.startRelay(settings);
  await relay.streaming();
  const written = await write();
  await untilCovered(world);
  relay.signal('SIGTERM');
  await relay.exited;
  return written;
}

export async function untilCovered(world: World): Promise<void> {
  const { rows } = await world.pool.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
  const isCovered = async () => {
    const sql = `select pg_snapshot_xmin(covered_snapshot) > $1::xid8 as is_covered from outbox.progress`;
    return (await world.pool.query(sql, [rows[0]!.xid])).rows[0]?.is_covered;
  };
  await vi.waitFor(async () => expect(await isCovered()).toBe(true), { timeout: 120_000, interval: 50 });
}

export async function recordsOf(replayId: string, topic: string): Promise<ReadRecord[]> {
  const records = await readCommitted({ topics: [topic] });
  return records.filter(
    ({ headers }) => headers['replay-id'] === replayId || headers['backfill-id'] === replayId,
  );
}

/** Each of the events once, and those of a key in order. */
export function expectOnce(records: readonly ReadRecord[], ids: readonly string[]): void {
  expect(records.map(idOf).toSorted()).toEqual(ids.toSorted());
  const order = new KeyOrder<number>();
  for (const record of records) {
    const { key, seq } = itemOf(record);
    expect(order.follows(key, Number(seq)), `${key} ${seq}`).toBe(true);
  }
}

export async function latestReplay(world: World): Promise<string> {
  const sql = 'select id from outbox.replay order by started_at desc limit 1';
  return (await world.pool.query<{ id: string }>(sql)).rows[0]!.id;
}

/** Kinds of findings of `verify` that are not empty, with their counts; and what it did not judge, by kind. */
export async function verified(world: World) {
  const { stdout, stderr } = await world.command('verify', '--json', '--wait-seconds', '0');
  expect(stdout, stderr).not.toBe('');
  const report = JSON.parse(stdout) as Record<'findings' | 'unjudged', Record<string, { count: number }>>;
  const counts = (kinds: Record<string, { count: number }>) =>
    Object.fromEntries(
      Object.entries(kinds).flatMap(([kind, { count }]) => (count > 0 ? [[kind, count]] : [])),
    );
  return { findings: counts(report.findings), unjudged: counts(report.unjudged) };
}

/** What a command printed as JSON. */
export function resultOf({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }) {
  expect(stdout, stderr).not.toBe('');
  return JSON.parse(stdout);
}
