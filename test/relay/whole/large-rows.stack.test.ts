/**
 * Rows that are too large to be made texts and objects of, on real servers, with the heap of a container of 512 MB: the
 * relay sets them aside without their payload, the event behind each comes at once, and people find their way.
 */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RelayProcess, settingsEnv } from '../../../harness/relay-process.ts';
import { readCommitted } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';
import { idOf, World } from '../world.ts';

const heapMb = 400;
const maxRowBytes = 4 * 1_048_588;

let world: World;
let relay: RelayProcess;

beforeAll(async () => {
  world = await World.create();
  // Without the constraints of ours, as a table of somebody else may be; text has no limit but Postgres's own.
  await world.pool.query(`create table public.large (id text, aggregatetype text, aggregateid text, type text,
    payload text, headers text, created_at timestamptz default now(), attachment text)`);
  await world.pool.query('alter publication outbox_relay add table public.large');
  relay = world.startRelay(settings, { NODE_OPTIONS: `--max-old-space-size=${heapMb}` });
  await relay.streaming();
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

const settings = {
  OUTBOX_TABLE: 'public.large',
  OUTBOX_PARTITIONS_DAYS_AHEAD: 0,
  DEAD_LETTERS_STORM_PERCENT: 100,
  DEAD_LETTERS_POLICY: 'park-key',
  // So that a payload that is left out would become a tombstone, were it taken for NULL.
  TOPICS_TOMBSTONES: '*',
};

type Row = Partial<
  Record<'id' | 'aggregatetype' | 'aggregateid' | 'type' | 'payload' | 'headers' | 'attachment', string>
>;
const text = (value: string) => `'${value.replaceAll("'", "''")}'`;

/** @param columns as SQL, which makes large texts in the server */
async function emit(columns: Row = {}): Promise<string> {
  const whole = {
    id: text(unique('event')),
    aggregatetype: text('item'),
    aggregateid: text(unique('key')),
    type: text('test.ItemMoved'),
    payload: text('{"key":"k","seq":1}'),
    ...columns,
  };
  const { rows } = await world.pool.query<{ id: string }>(
    `insert into public.large (${Object.keys(whole).join()}) values (${Object.values(whole).join()})
     returning left(id, 100) as id`,
  );
  return rows[0]!.id;
}

async function letters(id: string) {
  const { rows } = await world.pool.query(
    `select code, message, context, payload, headers, topic, status, length(event_id) as id_length
       from outbox.dead_letter where left(event_id, 100) = $1 order by commit_lsn`,
    [id],
  );
  return rows;
}

/** The one dead letter of each, when an event written behind each is in Kafka; all at once, for a read takes a second. */
async function setAside(...rows: readonly Row[]) {
  const ids: string[] = [];
  const behind: string[] = [];
  for (const columns of rows) {
    ids.push(await emit(columns));
    behind.push(await emit());
  }
  const records = await world.read(behind, 60_000);
  expect(records.filter((record) => ids.some((id) => idOf(record).startsWith(id)))).toEqual([]);
  return Promise.all(
    ids.map(async (id) => {
      const [letter, ...more] = await letters(id);
      expect(more).toEqual([]);
      return { id, letter };
    }),
  );
}

async function smallPayload(): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'large-rows-')), 'payload.json');
  await writeFile(file, '{"key":"k","seq":2}');
  return file;
}

/** Of the process since it started, in MB. */
async function peakMb({ pid }: RelayProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1024;
}

const json = (member: string) => `'{"key":"k","seq":1,"note":' || ${member} || '}'`;

describe('set aside', () => {
  it('without what is too large of it, in less memory than a container of 512 MB has', async () => {
    const rows: readonly (readonly [Row, object])[] = [
      [{ payload: json(`'[' || repeat('{},', 8000000) || '1]'`) }, { payload: 24000030 }],
      [{ payload: json(`'"' || repeat('x', 50000000) || '"'`) }, { payload: 50000029 }],
      [{ payload: json(`repeat('1', 9000000)`) }, { payload: 9000027 }],
      [{ headers: `'{"h":"' || repeat('x', 9000000) || '"}'` }, { headers: 9000008 }],
      [{ aggregateid: `repeat('k', 9000000)` }, { aggregateid: 9000000 }],
      [{ id: `${text(unique('id'))} || repeat('\u{1F4B6}', 2250000)` }, {}],
      [{ type: `repeat('t', 9000000)` }, { type: 9000000 }],
      [{ aggregatetype: `repeat('t', 9000000)` }, { aggregatetype: 9000000 }],
    ];
    const found = await setAside(...rows.map(([columns]) => columns));
    found.forEach(({ letter }, index) => {
      expect(letter).toMatchObject({
        code: 'RECORD_TOO_LARGE',
        message: expect.stringMatching(`^the row has \\d+ bytes, publish.maxRowBytes is ${maxRowBytes}$`),
        context: { leftOut: { rowBytes: expect.any(Number), ...rows[index]![1] } },
      });
    });
    expect(found[0]!.letter).toMatchObject({ payload: null, topic: world.topic });
    expect(await peakMb(relay)).toBeLessThan(512);
    expect(relay.lines.filter(({ msg }) => msg === 'streaming')).toHaveLength(1);
  });

  it('for a name that is too long for what is done with names', async () => {
    const rows: readonly (readonly [Row, string])[] = [
      [{ id: `${text(unique('long'))} || repeat('x', 3000)` }, 'id: '],
      [{ id: randomText(9_000) }, 'id: '],
      [{ type: `repeat('x', 3000)` }, 'type: 3000 characters, at most 1000'],
      [{ aggregateid: randomText(20_000) }, 'aggregateid: '],
    ];
    const found = await setAside(...rows.map(([columns]) => columns));
    found.forEach(({ letter }, index) => {
      expect(letter).toMatchObject({
        code: 'EVENT_INVALID',
        message: expect.stringContaining(rows[index]![1]),
      });
      expect(letter.context.leftOut).toBeUndefined();
    });
  });
});

it('publishes an event beside a large column of which no event is made', async () => {
  const id = await emit({ attachment: `repeat('x', 20000000)` });
  expect((await world.read([id])).map(idOf)).toContain(id);
});

/** SQL of a text that Postgres cannot compress, so that it is as long in an index as it is. */
function randomText(length: number): string {
  return `(select string_agg(md5(random()::text), '') from generate_series(1, ${length / 32 + 1}))`;
}

describe('people', () => {
  it('see that the payload was left out, give another one, and publish that', async () => {
    const key = unique('key');
    const [{ id } = { id: '' }] = await setAside({
      aggregateid: text(key),
      payload: json(`'"' || repeat('x', 9000000) || '"'`),
    });
    const run = (...args: string[]) => world.command('dead-letters', ...args);
    expect((await run('list', '--key', key)).stdout).toContain('payload left out (9000029 bytes)');
    expect((await run('show', id)).stdout).toMatch(/^payload +left out \(9000029 bytes\)$/m);
    const resubmitted = await run('resubmit', id, '--yes');
    expect(resubmitted).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('their payload was left out'),
    });
    const patch = await run('fix', id, '--patch', '[]');
    expect(patch).toMatchObject({ code: 64, stderr: expect.stringContaining('left out (9,000,029 bytes)') });

    // Its key is parked. Released, it is refused again: what was left out is no tombstone.
    const released = await run('release', '--key', key, '--wait', '30', '--yes');
    expect(released.stdout + released.stderr).toContain('refused');
    const kept = await readCommitted({ topics: [world.topic] });
    expect(kept.filter((record) => idOf(record) === id)).toEqual([]);
    expect(await letters(id)).toMatchObject([{ status: 'open', context: { leftOut: { payload: 9000029 } } }]);

    const fixed = await world.commandWith({}, 'dead-letters', 'fix', id, '--payload', await smallPayload());
    expect(fixed).toMatchObject({ code: 0 });
    expect((await run('show', id)).stdout).not.toContain('left out');
    await run('release', '--key', key, '--wait', '30', '--yes');
    const records = (await world.read([id])).filter((record) => idOf(record) === id);
    expect(records.map(({ value }) => value === null)).toEqual([false]);
  });
});

it('recover sets large rows aside likewise, and reads no more at once than memory has room for', async () => {
  relay.signal('SIGTERM');
  await relay.exited;
  await world.pool.query('select pg_drop_replication_slot($1)', [world.slot]);
  const values = await emit({ payload: json(`'[' || repeat('{},', 8000000) || '1]'`) });
  const whole: string[] = [];
  // 120 MB in one transaction, each row within the limit.
  const { rows } = await world.pool.query<{ id: string }>(
    `insert into public.large (id, aggregatetype, aggregateid, type, payload)
     select 'within-' || n, 'item', 'within', 'test.ItemMoved', '{"key":"k","seq":' || n || repeat(' ', 4000000) || '}'
       from generate_series(1, 30) as n returning id`,
  );
  whole.push(...rows.map(({ id }) => id), await emit());
  const env = {
    ...settingsEnv(settings),
    NODE_OPTIONS: '--max-old-space-size=150',
  };
  const options = ['--unjudged', 'skip', '--by-writing-order'];
  const recovered = await world.commandWith(env, 'recover', ...options);
  expect(recovered.stderr + recovered.stdout).toContain('published');
  expect(recovered.code).toBe(0);
  const records = await world.read(whole);
  expect(records.map(idOf).filter((id) => whole.includes(id)).length).toBe(whole.length);
  expect(await letters(values)).toMatchObject([
    { code: 'RECORD_TOO_LARGE', payload: null, context: { leftOut: { payload: 24000030 } } },
  ]);
});
