import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Settings } from '../../../harness/relay-process.ts';
import type { Capture } from '../../../relay/capture/capture.ts';
import { readPublication } from '../../../relay/capture/publication.ts';
import type { Config } from '../../../relay/config/config.ts';
import { createKafka } from '../../../relay/connect/kafka.ts';
import { createPool } from '../../../relay/connect/postgres/pool.ts';
import { RelayError } from '../../../relay/errors.ts';
import { purgeClosed } from '../../../relay/ledger/purge.ts';
import type { Progress } from '../../../relay/model/progress.ts';
import { componentLogs } from '../../../relay/observe/component-logs.ts';
import { Health } from '../../../relay/observe/health.ts';
import { createObserver } from '../../../relay/observe/listeners.ts';
import { createMetrics } from '../../../relay/observe/metrics.ts';
import { StandingPartitions } from '../../../relay/publish/standing-partitions.ts';
import { Upkeep } from '../../../relay/upkeep/upkeep.ts';
import { type OutboxDatabase, openCapture, openOutboxDatabase } from '../capture/database.ts';

let outbox: OutboxDatabase;
beforeAll(async () => {
  outbox = await openOutboxDatabase();
});
afterAll(() => outbox[Symbol.asyncDispose]());

const progressOf = (slot: string): Progress => ({
  slot,
  systemIdentifier: '7000000000000000001',
  timeline: 1,
  endLsn: 0x1000n,
  partial: null,
  beat: 0,
  eventCount: 12,
  instance: 'test',
  time: '2026-01-02T03:04:05.678Z',
});

type Kept = AsyncDisposable & {
  readonly abort: AbortController;
  readonly upkeep: Upkeep;
  readonly warnings: ({ err: { code: string } } & Record<string, unknown>)[];
  /** How often the progress was looked at, which each round of duties does. */
  readonly looks: () => number;
  /** Settles when it ends; with the failure, if there is one. */
  readonly ended: Promise<RelayError | undefined>;
};

async function keep(
  config: Config,
  capture: Pick<Capture, 'serverLsn' | 'beat'> & Partial<Capture>,
): Promise<Kept> {
  const pool = createPool(config);
  const publication = await readPublication(pool, config);
  let looks = 0;
  const warnings: Kept['warnings'] = [];
  const log = pino(
    { level: 'warn', serializers: { err: ({ code }) => ({ code }) } },
    {
      write: (line: string) => void warnings.push(JSON.parse(line)),
    },
  );
  const upkeep = new Upkeep({
    config,
    pool,
    kafka: createKafka(config, pino({ level: 'silent' })),
    observer: createObserver({
      logs: componentLogs(log),
      metrics: createMetrics(),
      health: new Health({ notReadyAfterMs: 1_000 }),
    }),
    standing: new StandingPartitions(),
    publication,
    progress: () => {
      looks += 1;
      return progressOf(config.slot.name);
    },
    obey: async () => {},
    stream: () => ({
      serverLsn: capture.serverLsn,
      beat: capture.beat,
      lookalikes: capture.lookalikes ?? new Map(),
    }),
  });
  const abort = new AbortController();
  const loops = upkeep.loops(abort.signal);
  for (const loop of loops) loop.catch(() => abort.abort());
  const ended = Promise.allSettled(loops).then((all): RelayError | undefined => {
    const failed = all.find((each) => each.status === 'rejected');
    if (failed === undefined || failed.reason instanceof RelayError) return failed?.reason;
    return new RelayError('INTERNAL', String(failed.reason));
  });
  return {
    abort,
    upkeep,
    warnings,
    looks: () => looks,
    ended,
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
      await pool.end();
    },
  };
}

const newSlot = (settings: Settings = {}) => outbox.newSlot({ CAPTURE_HEARTBEAT_MS: 500, ...settings });
const soon = { timeout: 30_000, interval: 20 };

describe('while all is well', () => {
  test('heartbeats come back, the progress is copied, partitions are made', async () => {
    const config = await newSlot({ OUTBOX_PARTITIONS_DAYS_AHEAD: 9 });
    await using stream = await openCapture(config);
    await using kept = await keep(config, stream.capture);
    await vi.waitFor(() => expect(stream.capture.beat).toBeGreaterThanOrEqual(3), soon);
    const { rows } = await outbox.pool.query('select * from outbox.progress where slot = $1', [
      config.slot.name,
    ]);
    expect(rows).toMatchObject([{ event_count: '12', end_lsn: '0/1000' }]);
    const days = `select from pg_inherits where inhparent = 'outbox.event'::regclass`;
    expect((await outbox.pool.query(days)).rowCount).toBe(11); // ten days, and the default partition
    expect(kept.warnings).toEqual([]);
  });

  test('a stream that lags is not taken for a publication that is gone', async () => {
    const config = await newSlot();
    await using kept = await keep(config, { serverLsn: 1n, beat: 0 });
    const beat = async () =>
      (await outbox.pool.query('select beat from outbox.heartbeat where slot = $1', [config.slot.name]))
        .rows[0]?.beat;
    await vi.waitFor(async () => expect(Number(await beat())).toBeGreaterThanOrEqual(3), soon);
    expect(kept.warnings).toEqual([]);
  });

  test.each([
    ['count', { DEAD_LETTERS_KEEP_CLOSED: 1 }, 1, { keep: 1 }],
    ['age', { DEAD_LETTERS_KEEP_CLOSED_DAYS: 1 }, 0, { olderThanSeconds: 86_400 }],
  ] as const)(
    'more closed dead letters than a round removes go by %s, in rounds',
    async (_, settings, left, limit) => {
      const config = await newSlot(settings);
      await outbox.pool.query(
        `insert into outbox.dead_letter (slot, commit_lsn, ordinal, code, message, status, closed_at)
       select $1, '0/100', n, 'X', '', 'resubmitted', now() - interval '2 days' from generate_series(1, 25000) n`,
        [config.slot.name],
      );
      const mayGoOn = () => false;
      const round = await purgeClosed(outbox.pool, config.slot.name, { by: 'relay', ...limit, mayGoOn });
      expect(round).toEqual({ purged: 10_000, isDone: false });
      await using stream = await openCapture(config);
      await using _kept = await keep(config, stream.capture);
      await vi.waitFor(async () => {
        const text = 'select from outbox.dead_letter where slot = $1';
        expect((await outbox.pool.query(text, [config.slot.name])).rowCount).toBe(left);
      }, soon);
    },
  );

  test('it ends on request', async () => {
    const config = await newSlot({ CAPTURE_HEARTBEAT_MS: 3_600_000 });
    const kept = await keep(config, { serverLsn: 0n, beat: 0 });
    await kept[Symbol.asyncDispose]();
    expect(await kept.ended).toBeUndefined();
  });
});

test('once it has to end it begins nothing more, and it has ended when what it had begun is over', async () => {
  const config = await newSlot();
  const { pool } = outbox;
  const lock = await pool.connect();
  await lock.query('begin; lock table outbox.heartbeat in share row exclusive mode');
  await using kept = await keep(config, { serverLsn: 0n, beat: 0 });
  const waiting = `select from pg_locks where not granted and relation = 'outbox.heartbeat'::regclass`;
  await vi.waitFor(async () => expect((await pool.query(waiting)).rowCount).toBe(1), soon);
  await pool.query('select pg_drop_replication_slot($1)', [config.slot.name]);
  await vi.waitFor(() => expect(kept.abort.signal.aborted).toBe(true), soon);
  const looks = kept.looks();
  await lock.query('commit');
  lock.release();
  expect((await kept.ended)?.code).toBe('SLOT_MISSING');
  const beat = 'select from outbox.heartbeat where slot = $1';
  expect((await pool.query(beat, [config.slot.name])).rowCount).toBe(1);
  expect(kept.looks()).toBe(looks);
});

describe('what is noticed', () => {
  test('a publication that lost its tables while the stream goes on', async () => {
    const config = await newSlot();
    await using stream = await openCapture(config);
    await using kept = await keep(config, stream.capture);
    await vi.waitFor(() => expect(stream.capture.beat).toBeGreaterThanOrEqual(1), soon);
    await outbox.pool.query('alter publication outbox_relay drop table outbox.event, outbox.heartbeat');
    try {
      // Either a beat is missing in the stream, or the server itself ends it.
      const failure = await Promise.race([kept.ended, stream.capture.inbox.failed]);
      expect(failure?.code).toBe('PUBLICATION_MISSING');
    } finally {
      await outbox.pool.query('alter publication outbox_relay add table outbox.event, outbox.heartbeat');
    }
  });

  test('a publication that is dropped while the stream goes on', async () => {
    await using own = await openOutboxDatabase();
    const config = await own.newSlot({ CAPTURE_HEARTBEAT_MS: 500 });
    await using stream = await openCapture(config);
    await using kept = await keep(config, stream.capture);
    await vi.waitFor(() => expect(stream.capture.beat).toBeGreaterThanOrEqual(1), soon);
    await own.pool.query('drop publication outbox_relay');
    const failure = await Promise.race([kept.ended, stream.capture.inbox.failed]);
    expect(failure?.code).toBe('PUBLICATION_MISSING');
  });

  test('a table that others inherit from, whose rows come under their own names', async () => {
    const { pool } = outbox;
    await pool.query('create table public.parent (like outbox.event)');
    await pool.query('alter publication outbox_relay add table public.parent');
    const config = await newSlot({ OUTBOX_TABLE: 'public.parent', OUTBOX_PARTITIONS_DAYS_AHEAD: 0 });
    await using kept = await keep(config, { serverLsn: 0n, beat: 0 });
    await pool.query('create table public.child () inherits (public.parent)');
    expect(await kept.ended).toMatchObject({
      code: 'OUTBOX_TABLE_INVALID',
      message: expect.stringContaining('tables inherit from public.parent (public.child)'),
    });
  });

  test('rows that come under the name of another table with all columns of the outbox', async () => {
    const { pool } = outbox;
    await pool.query('create table public.second (like outbox.event)');
    await pool.query('create table public.unlike (id int)');
    await pool.query('alter publication outbox_relay add table public.second, public.unlike');
    const config = await newSlot();
    await using stream = await openCapture(config);
    await using kept = await keep(config, stream.capture);
    await pool.query(`insert into public.unlike values (1)`);
    await pool.query(`insert into public.second (id, aggregatetype, aggregateid, type, payload, headers, created_at)
      select gen_random_uuid(), 'order', 'k', 'Placed', '{}', '{}', now() from generate_series(1, 3)`);
    await vi.waitFor(() => expect(kept.warnings).toHaveLength(1), soon);
    expect(kept.warnings[0]).toMatchObject({
      table: 'public.second',
      rows: 3,
      msg: expect.stringContaining('are not published'),
    });
  });

  test('a slot that is gone', async () => {
    const config = await newSlot();
    await using kept = await keep(config, { serverLsn: 0n, beat: 0 });
    await outbox.pool.query('select pg_drop_replication_slot($1)', [config.slot.name]);
    expect((await kept.ended)?.code).toBe('SLOT_MISSING');
  });

  test('a heartbeat that was left out: the publication was away for a while', async () => {
    const config = await newSlot({ CAPTURE_HEARTBEAT_MS: 3_600_000 });
    await using kept = await keep(config, { serverLsn: 0n, beat: 0 });
    const { upkeep } = kept;
    upkeep.returned(4, 3);
    upkeep.returned(4, 4); // seen again after a reconnect
    upkeep.returned(3, 4);
    expect(() => upkeep.returned(6, 4)).toThrow(expect.objectContaining({ code: 'PUBLICATION_GAP' }));
  });
});

test('a failure that may pass is reported and retried, while the other duties go on', async () => {
  const config = await newSlot();
  const { pool } = outbox;
  await pool.query(`create function outbox.busy() returns trigger language plpgsql
    as $$ begin raise sqlstate '53200'; end $$`);
  await pool.query(
    'create trigger busy before insert on outbox.heartbeat for each row execute function outbox.busy()',
  );
  await using kept = await keep(config, { serverLsn: 0n, beat: 0 });
  await vi.waitFor(() => expect(kept.warnings.length).toBeGreaterThanOrEqual(2), soon);
  expect(kept.warnings[0]?.err.code).toBe('POSTGRES_UNAVAILABLE');
  const copied = await pool.query('select from outbox.progress where slot = $1', [config.slot.name]);
  expect(copied.rowCount).toBe(1);
  await pool.query('drop trigger busy on outbox.heartbeat');
  const beat = 'select from outbox.heartbeat where slot = $1';
  await vi.waitFor(async () => expect((await pool.query(beat, [config.slot.name])).rowCount).toBe(1), soon);
});

describe('what fails in one duty alone', () => {
  test.each([
    [
      'making partitions',
      'alter function outbox.ensure_partition(date) rename to gone',
      'alter function outbox.gone(date) rename to ensure_partition',
      'OUTBOX_TABLE_INVALID',
    ],
    [
      'counting dead letters',
      'alter table outbox.parked_key rename to gone',
      'alter table outbox.gone rename to parked_key',
      'OUTBOX_TABLE_INVALID',
    ],
    [
      'copying the progress',
      `alter table outbox.progress add constraint never check (event_count < 0) not valid`,
      'alter table outbox.progress drop constraint never',
      'INTERNAL',
    ],
    [
      'writing the heartbeat',
      `alter table outbox.heartbeat add constraint never check (beat < 0) not valid`,
      'alter table outbox.heartbeat drop constraint never',
      'INTERNAL',
    ],
  ])('%s never stops the stream', async (_, breakIt, mendIt, code) => {
    const config = await newSlot();
    await outbox.pool.query(breakIt);
    try {
      await using kept = await keep(config, { serverLsn: 0n, beat: 0 });
      await vi.waitFor(() => expect(kept.warnings[0]?.err?.code).toBe(code), soon);
      const looks = kept.looks();
      await vi.waitFor(() => expect(kept.looks()).toBeGreaterThan(looks + 3), soon);
      expect(kept.abort.signal.aborted).toBe(false);
    } finally {
      await outbox.pool.query(mendIt);
    }
  });

  test('partitions that cannot be made are not tried again at each heartbeat', async () => {
    const config = await newSlot({ OUTBOX_PARTITIONS_DAYS_AHEAD: 20 });
    const holder = await outbox.pool.connect();
    await holder.query('begin; lock table outbox.event_default in access share mode');
    try {
      await using kept = await keep(config, { serverLsn: 0n, beat: 0 });
      await vi.waitFor(() => expect(kept.warnings.length).toBe(1), soon);
      const looks = kept.looks();
      await vi.waitFor(() => expect(kept.looks()).toBeGreaterThan(looks + 4), soon);
      expect(kept.warnings.map(({ err }) => err.code)).toEqual(['POSTGRES_UNAVAILABLE']);
    } finally {
      await holder.query('rollback');
      holder.release();
    }
  });
});
