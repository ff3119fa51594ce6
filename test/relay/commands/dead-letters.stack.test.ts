/** The way of an event that could not be published, as an operator walks it, on real servers. */
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { RelayProcess } from '../../../harness/relay-process.ts';
import { kafkaClient } from '../../support/kafka.ts';
import { registerSchema } from '../../support/registry.ts';
import { type Login, makeOperator } from '../../support/roles.ts';
import { actingIn, hostile } from '../../support/terminal.ts';
import { unique } from '../../support/unique.ts';
import { idOf, itemOf, World } from '../world.ts';

let world: World;
let relay: RelayProcess;
let operator: Login;

beforeAll(async () => {
  world = await World.create();
  operator = await makeOperator(world.database);
  relay = world.startRelay();
  await relay.streaming();
});
afterAll(async () => {
  await operator?.drop();
  await world?.[Symbol.asyncDispose]();
});

/** Runs a command with the rights of an operator. */
const run = (...args: string[]) => world.commandWith(operator.env, 'dead-letters', ...args);

async function json<Result>(...args: string[]): Promise<Result> {
  const { stdout, stderr } = await run(...args, '--json');
  expect(stdout, stderr).not.toBe('');
  return JSON.parse(stdout) as Result;
}

/** Writes events of that payload, and waits until their dead letters are covered by the progress. */
async function refused(count: number, payload: string, key = unique('key')): Promise<string[]> {
  const { rows } = await world.pool.query<{ id: string }>(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload)
     select 'item', $2, 'test.ItemMoved', $3::json from generate_series(1, $1::int) returning id`,
    [count, key, payload],
  );
  const ids = rows.map(({ id }) => id);
  const settled = `select from outbox.dead_letter as letter join outbox.progress using (slot)
    where event_id = any ($1) and commit_lsn < end_lsn`;
  await vi.waitFor(async () => expect((await world.pool.query(settled, [ids])).rowCount).toBe(count), {
    timeout: 30_000,
    interval: 50,
  });
  return ids;
}

type Listed = { position: string; eventId: string; code: string; path: string; status: string };

const openLetters = (key: string) => json<Listed[]>('list', '--key', key);

describe('a bad event', () => {
  test('is listed, shown, fixed, resubmitted and published once; verify finds nothing', async () => {
    const key = unique('key');
    const [id] = await refused(1, '{"key":"k","seq":"secret-value"}', key);
    const listed = await run('list', '--key', key, '--code', 'PAYLOAD_INVALID', '--since', '1h');
    expect(listed.stdout).toMatch(/PAYLOAD_INVALID +test\.ItemMoved .* \$\.seq +expected long, found string/);
    expect(listed.stdout).toContain(id);
    expect(listed.stdout).not.toContain('secret-value');

    const [{ position }] = (await openLetters(key)) as [Listed];
    const shown = await run('show', id!);
    expect(shown.stdout).toContain(position);
    expect(shown.stdout).toContain('secret-value');
    expect((await run('show', position, '--no-payload')).stdout).not.toContain('secret-value');
    expect((await run('show', position, '--no-payload', '--json')).stdout).not.toContain('secret-value');

    const again = await run('fix', position, '--patch', '[{"op":"replace","path":"/seq","value":true}]');
    expect(again).toMatchObject({
      code: 1,
      stdout: 'not stored: PAYLOAD_INVALID at $.seq: expected long, found boolean\n',
    });
    const unfixed = await run('resubmit', position);
    expect(unfixed.stdout).toMatch(/warning +1 +with the payload that was refused: fix it first/);
    const largest = '[{"op":"replace","path":"/seq","value":9223372036854775807}]';
    const fixed = await run('fix', id!, '--patch', largest, '--by', 'Ada');
    expect(fixed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^stored: /) });

    const asked = await run('resubmit', position);
    expect(asked).toMatchObject({ code: 1, stdout: expect.stringContaining('run again with --yes') });
    expect(asked.stdout).toMatch(/^would resubmit +1\n +1 +PAYLOAD_INVALID\nnot changed/);
    expect(await run('resubmit', position, '--dry-run')).toMatchObject({ code: 0 });
    expect((await run('show', position)).stdout).toMatch(/^hint +The payload does not match/m);
    const given = await run('discard', position);
    expect(given).toMatchObject({ code: 1, stdout: expect.stringContaining('with --yes and --reason') });
    expect((await run('discard', position, '--reason', 'test')).stdout).toContain(
      'again with --yes to do it',
    );
    expect(await openLetters(key)).toHaveLength(1);
    expect(await run('resubmit', position, '--yes', '--by', 'Ada')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^resubmitted +1\n +1 +was PAYLOAD_INVALID\n$/),
    });
    expect(await openLetters(key)).toEqual([]);

    // Before the test itself reads: it writes marks into the topic.
    const verified = await world.command('verify', '--json');
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, events: 2, records: 1 });
    const records = (await world.read([id!])).filter((record) => idOf(record) === id);
    expect(records).toHaveLength(1);
    expect(records[0]?.key).toBe(key);
    expect(records[0]?.value?.subarray(-11)).toEqual(Buffer.from('feffffffffffffffff0100', 'hex'));
    expect(await run('resubmit', position, '--yes')).toMatchObject({
      stdout: expect.stringMatching(/^resubmitted +0\n.*none of them is open/),
    });

    const closed = (await run('show', position)).stdout;
    expect(closed).not.toMatch(/^hint/m);
    const trail = closed.match(/^trail .*$/gm);
    expect(trail).toEqual([
      expect.stringContaining(`fix by Ada (${operator.role})`),
      expect.stringContaining(`resubmit by Ada (${operator.role})`),
    ]);
    const { rows } = await world.pool.query(
      'select previous_payload from outbox.dead_letter_action where previous_payload is not null',
    );
    expect(rows).toEqual([{ previous_payload: '{"key":"k","seq":"secret-value"}' }]);
  });

  test('that is resubmitted unchanged is refused again, and shown as two of one event', async () => {
    const [id] = await refused(1, '{"seq":1}');
    await run('resubmit', id!, '--yes');
    await vi.waitFor(async () => expect(await json<Listed[]>('show', id!)).toHaveLength(2), {
      timeout: 30_000,
      interval: 200,
    });
    const both = await json<Listed[]>('show', id!);
    expect(both.map(({ status }) => status)).toEqual(['resubmitted', 'open']);
    expect(new Set(both.map(({ position }) => position)).size).toBe(2);
  });

  test('is edited in $EDITOR, or replaced from standard input or a file', async () => {
    const key = unique('key');
    const [first] = await refused(1, '{"key":"k","seq":"x"}', key);
    const editor = { ...operator.env, EDITOR: `sed -i 's/"x"/7/'` };
    expect(await world.commandWith(editor, 'dead-letters', 'fix', first!)).toMatchObject({ code: 0 });
    const idle = { ...operator.env, EDITOR: 'true' };
    expect(await world.commandWith(idle, 'dead-letters', 'fix', first!)).toMatchObject({
      code: 1,
      stdout: 'not stored: the payload was not changed\n',
    });
    const file = `/tmp/${unique('payload')}.json`;
    await writeFile(file, '{"key":"k","seq":8}\n');
    expect(await run('fix', first!, '--payload', file)).toMatchObject({ code: 0 });
    const inPlace = await run('fix', first!, '--payload', '{"key":"k","seq":"secret-value"}');
    expect(inPlace).toMatchObject({ code: 64, stderr: expect.stringContaining('--payload -') });
    expect(inPlace.stderr).not.toContain('secret-value');
    expect(await run('fix', first!, '--payload', '/nowhere/order.json')).toMatchObject({
      code: 64,
      stderr: 'error: cannot read the file /nowhere/order.json of --payload: ENOENT\n',
    });
    await run('resubmit', first!, '--yes');
    const records = (await world.read([first!])).filter((record) => idOf(record) === first);
    expect(records.map((record) => itemOf(record).seq)).toEqual([8]);
  });
});

test('many of one cause are grouped, tried, fixed by one patch, and a fix is undone', async () => {
  const key = unique('key');
  await refused(3, '{"key":"k","sum":9007199254740993}', key);
  await refused(1, '{"key":"k","seq":"x"}', key);
  const grouped = await run('groups', '--key', key);
  expect(grouped.stdout).toMatch(/^4 +PAYLOAD_INVALID.*\n4 dead letters$/m);
  const patch = '[{"op":"move","from":"/sum","path":"/seq"}]';
  const fix = ['fix', '--all-matching', '--key', key, '--path', '$.seq', '--patch', patch] as const;
  const [tried, shown] = await Promise.all([run('try', '--key', key), run(...fix)]);
  expect(tried).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^would publish now +0 of 4\nrefused/),
  });
  expect(shown).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^would publish with it +3 of 4\n[\s\S]*run again with --yes/),
  });
  expect(await run(...fix, '--yes', '--by', 'Ada', '--reason', 'OPS-17')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^stored +3 of 4\nrefused +1 +.*nothing is there/),
  });
  const [first] = await openLetters(key);
  expect((await run('show', first!.position)).stdout).toContain('"seq":9007199254740993');
  expect(await run('undo', first!.position)).toMatchObject({ stdout: expect.stringMatching(/^undone: /) });
  expect((await run('show', first!.position)).stdout).toContain('"sum":9007199254740993');
});

test('a fix of many needs a patch and filters, and one of a dead letter neither', async () => {
  const refusals = [
    [['fix', '--all-matching', '--patch', '[]'], 'which dead letters?'],
    [['fix', '--all-matching', '--key', 'k'], 'needs --patch'],
    [['fix', '--yes', '0000000000001000.00000000'], 'need --all-matching'],
    [['fix'], 'name a dead letter'],
    [['try', '--patch', 'patch.json'], 'and no name of a file'],
    [['try', '--patch', '[no json'], 'the patch is not JSON'],
  ] as const;
  await Promise.all(
    refusals.map(async ([args, why]) => {
      expect(await run(...args)).toMatchObject({ code: 64, stderr: expect.stringContaining(why) });
    }),
  );
});

test('two people who resubmit the same hundred at once publish each once', async () => {
  const key = unique('key');
  // Refused for its payload, and good once the payload is.
  const ids = await refused(100, '{"key":"k"}', key);
  await world.pool.query(
    `update outbox.dead_letter set payload = '{"key":"k","seq":1}' where event_id = any ($1)`,
    [ids],
  );
  const both = await Promise.all([
    json<{ done: number }>('resubmit', '--key', key, '--yes'),
    json<{ done: number }>('resubmit', '--key', key, '--yes'),
  ]);
  expect(both.map(({ done }) => done).reduce((sum, done) => sum + done)).toBe(100);
  const published = (await world.read(ids)).map(idOf).filter((id) => ids.includes(id));
  expect(published).toEqual(ids);
});

test('a discarded event is closed, never published, and no finding of verify; purge leaves what is fresh', async () => {
  const key = unique('key');
  const [id] = await refused(1, '{}', key);
  expect(await run('discard', id!, '--yes')).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('--reason'),
  });
  expect((await run('discard', id!, '--dry-run')).stdout).toContain('would discard  1');
  expect(await run('discard', id!, '--reason', 'test data', '--yes')).toMatchObject({ code: 0 });
  expect(await json<Listed[]>('list', '--key', key)).toEqual([]);
  expect(await json<Listed[]>('list', '--key', key, '--status', 'all')).toMatchObject([{ eventId: id }]);
  expect((await run('resubmit', id!, '--yes')).stdout).toMatch(/^resubmitted +0\n.*none of them is open/);
  expect(await json('purge', '--older-than', '90d', '--yes')).toEqual({ purged: 0 });
  await world.pool.query(
    `update outbox.dead_letter set closed_at = closed_at - interval '2 days' where event_id = $1`,
    [id],
  );
  expect((await run('discard', '--help')).stdout).not.toContain('78');
  expect(await run('purge', '--older-than', '90d')).toMatchObject({
    code: 0,
    stdout: 'would delete 0 dead letters; nothing was changed\n',
  });
  const old = ['purge', '--older-than', '1d', '--status', 'discarded'];
  expect(await run(...old)).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^would delete 1 dead letter; nothing was changed: .*--yes/),
  });
  expect(await run(...old, '--dry-run')).toMatchObject({ code: 0 });
  expect(await json<Listed[]>('list', '--key', key, '--status', 'all')).toMatchObject([{ eventId: id }]);
  expect(await json(...old, '--yes')).toEqual({ purged: 1 });
});

test('how many are open, and how old the oldest is, can be read off the metrics', async () => {
  await refused(2, '[]');
  const { rows } = await world.pool.query(
    `select count(*)::int as open from outbox.dead_letter where status = 'open'`,
  );
  await vi.waitFor(
    async () => expect(await relay.metric('outbox_relay_dead_letters_open')).toBe(rows[0].open),
    { timeout: 30_000, interval: 100 },
  );
  expect(await relay.metric('outbox_relay_dead_letters_oldest_age_seconds')).toBeGreaterThan(0);
});

test.each([
  [['show', 'nobody'], 'no dead letter nobody'],
  [['fix', 'nobody', '--payload', '/dev/null'], 'no open dead letter nobody'],
  [['resubmit', 'nobody', '--yes'], 'no dead letter nobody'],
])('%s is refused: %s', async (args, message) => {
  const { code, stderr } = await run(...args);
  expect(stderr).toContain(message);
  expect(code).toBe(64);
});

test('no character of a row or a record acts on the terminal of whoever looks at it', async () => {
  const { rows } = await world.pool.query<{ id: string }>(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload, headers)
     select aggregatetype, $1, type, to_json($1::text), json_build_object('note', $1::text)
       from (values ($1, 'test.ItemMoved'), ('item', 'test.' || $1)) as hostile (aggregatetype, type) returning id`,
    [hostile],
  );
  const ids = rows.map(({ id }) => id);
  await vi.waitFor(
    async () => {
      const text = `select from outbox.dead_letter where event_id = any ($1)`;
      expect((await world.pool.query(text, [ids])).rowCount).toBe(2);
    },
    { timeout: 60_000, interval: 50 },
  );
  const producer = (await kafkaClient()).producer();
  await producer.connect();
  await producer.send({
    topic: world.topic,
    messages: [{ value: 'x', headers: { id: hostile, position: hostile } }],
  });
  await producer.disconnect();
  await world.pool.query(
    `insert into outbox.parked_key (slot, commit_lsn, ordinal, topic, key) values ($1, '0/1', 0, $2, $2)`,
    [world.slot, hostile],
  );
  const asOwner = (...args: string[]) => world.commandWith({}, ...args);
  const outputs = [
    ...(await Promise.all([
      run('list'),
      run('list', '--json'),
      ...ids.flatMap((id) => [run('show', id), run('show', id, '--json')]),
      run('show', hostile),
      run('resubmit', '--key', hostile),
      run('release', '--all', '--dry-run'),
      asOwner('status'),
    ])),
    await asOwner('verify', '--wait-seconds', '0'),
    await asOwner('schemas', 'test'),
    await asOwner('recover', '--dry-run', '--force'),
  ];
  for (const { stdout, stderr } of outputs) {
    expect(actingIn(stdout + stderr)).toBeUndefined();
    expect(stdout + stderr).not.toMatch(/^\u2714 fine/m);
  }
  expect(outputs.filter(({ stdout }) => stdout.includes('evil')).length).toBeGreaterThanOrEqual(7);
  await world.pool.query(`delete from outbox.parked_key where topic = $1`, [hostile]);
});

test('without the rights of an operator it ends with 77', async () => {
  const stranger = unique('stranger');
  await world.pool.query(`create role ${stranger} login password 'sesame'`);
  const url = new URL(operator.url);
  url.username = stranger;
  const listed = await world.commandWith({ DATABASE_URL: url.href }, 'dead-letters', 'list');
  expect(listed).toMatchObject({ code: 77, stderr: expect.stringContaining('POSTGRES_UNAUTHORIZED') });
  await world.pool.query(`drop role ${stranger}`);
});

test('a dead letter that a dying relay left is not sent by a person once the next relay has published it', async () => {
  await using own = await World.create();
  const dying = own.startRelay({ FAILPOINT: 'DEAD_LETTERS_STORED:2', CAPTURE_HEARTBEAT_MS: 60_000 });
  await dying.streaming();
  await own.read(await own.write([{ key: 'k', seq: 0 }]));
  const { rows } = await own.pool.query<{ late: string; bad: string }>(
    `select outbox.emit('item', 'k', 'test.Late', '{"a":1}') as late, outbox.emit('item', 'k', 'test.Later', '{}') as bad`,
  );
  const [{ late, bad }] = rows as [{ late: string; bad: string }];
  await dying.exited;
  const all = ['dead-letters', 'resubmit', '--all', '--yes'];
  expect((await own.command(...all)).stdout).toMatch(/^resubmitted +0\n(?:.|\n)*skipped +2 /);

  await registerSchema(`${own.topic}-test.Late`, {
    type: 'record',
    name: 'Late',
    namespace: 'test',
    fields: [{ name: 'a', type: 'long' }],
  });
  await own.startRelay().streaming();
  await own.read([late]);
  const states = async () =>
    (await own.pool.query('select event_id, status, attempts from outbox.dead_letter order by ordinal')).rows;
  expect(await states()).toEqual([
    { event_id: late, status: 'resubmitted', attempts: 1 },
    { event_id: bad, status: 'open', attempts: 2 },
  ]);
  await vi.waitFor(async () => expect((await own.command(...all)).stdout).toMatch(/^resubmitted +1\n/), {
    timeout: 30_000,
    interval: 200,
  });
  const records = await own.read(await own.write([{ key: 'k', seq: 1 }]));
  expect(records.filter((record) => idOf(record) === late)).toHaveLength(1);
});
