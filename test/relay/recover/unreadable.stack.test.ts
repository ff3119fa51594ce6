/** Rows that Postgres cannot convert to text: with an option, recover makes a dead letter of each and goes on. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Settings, settingsEnv } from '../../../harness/relay-process.ts';
import { clientOf } from '../../../relay/connect/postgres/client.ts';
import { query, statement } from '../../../relay/connect/postgres/statement.ts';
import { readApart } from '../../../relay/recover/unreadable.ts';
import { type Postgres, startPostgres } from '../../../stack/postgres.ts';
import { unique } from '../../support/unique.ts';
import { idOf, itemOf, World } from '../world.ts';

/** Of its own: the order of commits is known, and no transaction of another test makes the snapshots unclear. */
let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres({ settings: { fsync: 'off', track_commit_timestamp: 'on' } });
});
afterAll(() => postgres?.stop());

/** As SQL: bytes that are not UTF-8. */
const bad = `E'caf\\xe9'`;

const sqlAscii = `encoding 'SQL_ASCII' template template0 lc_collate 'C' lc_ctype 'C' locale_provider libc`;

/** With a table whose columns take whatever text the database does. */
async function createWorld(options: string, payload = 'text'): Promise<World> {
  const name = unique('test');
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(`create database ${name} ${options}`);
  await client.end();
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  const world = await World.create(1, { databaseUrl: url.href });
  await world.pool.query(`create table public.ev (id text, aggregatetype text, aggregateid text, type text,
    payload ${payload}, headers text, created_at timestamptz default clock_timestamp()) partition by list (aggregatetype)`);
  await world.pool.query('create table public.ev_item partition of public.ev for values in ($$item$$)');
  await world.pool.query('create table public.ev_rest partition of public.ev default');
  await world.pool.query('alter publication outbox_relay add table public.ev');
  return world;
}

/** Those over 1 GB take a minute and several GB of memory, so only `GIGABYTE_ROWS=1` has them. */
const kinds = [
  { name: 'not UTF-8', database: sqlAscii, type: 'text', value: bad },
  // Six characters for each byte.
  { name: 'a value over 1 GB', database: '', type: 'jsonb', value: `to_jsonb(repeat(E'\\x01', 180000000))` },
  {
    name: 'columns over 1 GB together',
    database: '',
    type: 'text',
    value: '(select part from public.parts)',
  },
].slice(0, process.env.GIGABYTE_ROWS === undefined ? 1 : 3);

const ofTable: Settings = {
  OUTBOX_TABLE: 'public.ev',
  OUTBOX_PARTITIONS_DAYS_AHEAD: 0,
  DEAD_LETTERS_STORM_PERCENT: 1,
  DEAD_LETTERS_STORM_MIN_EVENTS: 1,
};

type Columns = Partial<
  Record<'id' | 'aggregatetype' | 'aggregateid' | 'type' | 'payload' | 'headers' | 'created_at', string>
>;

/** As SQL. @param columns in place of those of a good event */
function row(key: string, seq: number, columns: Columns = {}): string {
  const whole = {
    id: `'${key}${seq}'`,
    aggregatetype: `'item'`,
    aggregateid: `'${key}'`,
    type: `'test.ItemMoved'`,
    payload: `'{"key":"${key}","seq":${seq}}'`,
    ...columns,
  };
  return `insert into public.ev (${Object.keys(whole).join()}) values (${Object.values(whole).join()})`;
}

async function streamOne(world: World, settings: Settings): Promise<void> {
  const relay = world.startRelay(settings);
  await relay.streaming();
  await world.pool.query(row('first', 0));
  await world.read(['first0']);
  relay.signal('SIGTERM');
  expect(await relay.exited).toMatchObject({ code: 0 });
}

const runRecover = async (world: World, settings: Settings, ...args: string[]) => {
  const { code, stdout, stderr } = await world.commandWith(
    settingsEnv(settings),
    'recover',
    '--json',
    ...args,
  );
  if (stdout === '') return { code, stderr };
  return { code, ...JSON.parse(stdout) };
};

const letters = async (world: World) =>
  (
    await world.pool.query(
      `select event_id as id, aggregateid as key, code, message, payload, topic, context
         from outbox.dead_letter where status = 'open' order by commit_lsn, ordinal`,
    )
  ).rows;

describe('recover --skip-unreadable', { timeout: 240_000 }, () => {
  it('goes on behind the row that stopped the stream, with one dead letter for each that is not text', async () => {
    await using world = await createWorld(sqlAscii);
    // Under `halt` too: who gives the option has decided.
    const settings = { ...ofTable, DEAD_LETTERS_POLICY: 'halt', PUBLISH_BATCH_EVENTS: 1 };
    await streamOne(world, settings);
    await world.pool.query(`begin; ${row('a', 1)}; ${row('a', 2, { payload: bad })}; ${row('a', 3)}; commit`);
    await world.pool.query(row('b', 4, { aggregateid: bad }));
    await world.pool.query(row('b', 5, { created_at: `'infinity'` }));
    await world.pool.query(`begin; ${row('c', 6, { id: bad })}; ${row('c', 7, { id: `E'\\xff'`, payload: bad })};
      ${row('c', 8, { id: 'null' })}; commit`);
    await world.pool.query(row('d', 9, { type: bad }));
    await world.pool.query(row('d', 10, { aggregatetype: bad }));
    await world.pool.query(row('a', 11, { created_at: `'294276-12-31'` }));
    const good = ['first0', 'a1', 'a3', 'b5', 'a11'];

    const stopped = world.startRelay(settings);
    expect(await stopped.exited).toMatchObject({ code: 78 });
    expect(stopped.lines.at(-1)?.err).toMatchObject({
      code: 'ROW_UNREADABLE',
      hint: expect.stringContaining('`outbox-relay recover --skip-unreadable`'),
    });

    expect(await runRecover(world, settings)).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('add --skip-unreadable'),
    });
    const refused = await runRecover(world, settings, '--force');
    expect(refused).toMatchObject({ code: 1, outcome: 'refused', published: 0, keepsSlot: true });
    expect(refused.doubts).toEqual([
      expect.stringMatching(
        /^ROW_UNREADABLE: event a2 and 5 others: row \(0,\d+\) of public\.ev_item .*payload.*22021.*--skip-unreadable/,
      ),
    ]);
    const unreadable = { count: 6, ids: expect.arrayContaining(['a2', 'b4', 'd9', 'd10']) };
    const shown = await runRecover(world, settings, '--skip-unreadable', '--dry-run');
    expect(shown).toMatchObject({ code: 1, outcome: 'dry-run', doubts: [], unreadable, withoutId: 1 });
    expect(shown.unreadable.ids.filter((id: string) => /^row .* id is not text$/.test(id))).toHaveLength(2);
    expect(await letters(world)).toEqual([]);

    for (const failpoint of ['DEAD_LETTERS_STORED:1', 'KAFKA_COMMITTED:3'])
      expect(
        await runRecover(world, { ...settings, FAILPOINT: failpoint }, '--skip-unreadable'),
      ).toMatchObject({ code: null });
    expect(await runRecover(world, settings, '--skip-unreadable')).toMatchObject({ code: 0, doubts: [] });
    const relay = world.startRelay(settings);
    await relay.streaming();
    await world.pool.query(row('a', 12));
    const records = await world.read(['a12']);
    expect(records.map(idOf).toSorted()).toEqual([...good, 'a12'].toSorted());
    expect(records.map(itemOf).flatMap(({ key, seq }) => (key === 'a' ? [seq] : []))).toEqual([1, 3, 11, 12]);

    const stored = await letters(world);
    expect(stored.map(({ id, key, topic }) => [id, key, topic])).toEqual([
      ['a2', 'a', world.topic],
      ['b4', null, world.topic],
      [null, 'c', world.topic],
      [null, 'c', world.topic],
      ['d9', 'd', world.topic],
      ['d10', 'd', null],
    ]);
    for (const { code, message } of stored) {
      expect(code).toBe('EVENT_UNREADABLE');
      expect(message).toMatch(
        /^row \(0,\d+\) of public\.ev_\w+ cannot be read: [\w, ]+: bytes that are not text/,
      );
    }
    expect(stored[0]).toMatchObject({
      payload: null,
      context: { unreadable: { bytes: { payload: 4 }, sqlState: '22021' }, leftOut: { payload: 4 } },
    });
    expect(stored[3]).toMatchObject({
      payload: null,
      context: { unreadable: { bytes: { id: 1, payload: 4 } } },
    });
    expect(await world.commandWith(settingsEnv(settings), 'verify')).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('ROW_UNREADABLE: a row of the outbox table cannot be read'),
    });
    relay.signal('SIGTERM');
    await relay.exited;
    expect(await runRecover(world, settings, '--force')).toMatchObject({
      code: 0,
      missing: { count: 0 },
      unreadable: { count: 0 },
      unjudged: { count: 0 },
    });
  });

  it.each(kinds)(
    'has the key of a row wait where its topic says so: $name',
    async ({ database, type, value }) => {
      await using world = await createWorld(database, type);
      const settings = { ...ofTable, DEAD_LETTERS_POLICY: 'park-key' };
      await streamOne(world, settings);
      // Stored, and so compressed: as it is, no statement makes such a row.
      if (type === 'text' && database === '')
        await world.pool.query(`create table public.parts as select repeat('x', 600000000) as part`);
      await world.pool.query(row('a', 1, { payload: value, headers: type === 'text' ? value : `'{}'` }));
      await world.pool.query(`${row('a', 2)}; ${row('b', 3)}`);
      expect(await runRecover(world, settings, '--skip-unreadable')).toMatchObject({
        code: 0,
        published: 1,
        unreadable: { ids: ['a1'] },
      });
      const relay = world.startRelay(settings);
      await relay.streaming();
      await world.pool.query(row('b', 4));
      expect((await world.read(['b4'])).map(idOf)).toEqual(['first0', 'b3', 'b4']);
      const { rows } = await world.pool.query(
        'select event_id as id, code, status from outbox.dead_letter order by ordinal',
      );
      expect(rows).toEqual([
        { id: 'a1', code: 'EVENT_UNREADABLE', status: 'open' },
        { id: 'a2', code: 'KEY_PARKED', status: 'parked' },
      ]);
    },
  );
});

describe('readApart', () => {
  it('finds the rows of which Postgres cannot make a text, and leaves the snapshot usable', async () => {
    const client = clientOf({
      url: postgres.url,
      applicationName: 'test',
      connectTimeoutMs: 10_000,
      statementTimeoutMs: 0,
    });
    await client.connect();
    await client.query('begin isolation level repeatable read, read only');
    const places = Array.from({ length: 9 }, (_, index) => ({ relation: '1', place: `(0,${index})` }));
    const read: string[] = [];
    const apart = await readApart(client, places, async (some) => {
      const rows = await query(
        client,
        statement<{ place: string }>(
          'test.any',
          'reading',
          `select place, length(case when place in ('(0,2)', '(0,8)') then repeat(left(place, 1), 1100000000) end)
           from unnest($1::text[]) as given (place)`,
        ),
        [some.map(({ place }) => place)],
      );
      read.push(...rows.map(({ place }) => place));
    });
    expect(apart.map(({ place }) => place)).toEqual(['(0,2)', '(0,8)']);
    expect(read).toEqual(['(0,0)', '(0,1)', '(0,3)', '(0,4)', '(0,5)', '(0,6)', '(0,7)']);
    const other = readApart(
      client,
      places,
      async () => void (await query(client, statement('test.any', 'reading', 'select 1/0'))),
    );
    await expect(other).rejects.toMatchObject({ context: { sqlState: '22012' } });
    await client.end();
  });
});
