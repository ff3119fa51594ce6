import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from './cli.ts';
import { openRelayDatabase } from './outbox.ts';

const ours = fileURLToPath(new URL('../../../schemas', import.meta.url));

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'outbox-relay-schemas-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function write(file: string, schema: object): Promise<void> {
  await mkdir(dirname(join(directory, file)), { recursive: true });
  await writeFile(join(directory, file), JSON.stringify(schema));
}

describe('types', () => {
  const types = (...args: string[]) =>
    runCli(['schemas', 'types', ...args], { OUTBOX_RELAY_SCHEMAS_DIRECTORY: ours });

  test('are printed without any server', async () => {
    const { code, stdout } = await types();
    expect(code).toBe(0);
    expect(stdout).toContain("'shop.order.OrderPlaced': OrderPlaced;");
  });

  test('--check notices a file that is missing or out of date, and changes nothing', async () => {
    const out = join(directory, 'src', 'events.ts');
    expect(await types('--out', out, '--check')).toMatchObject({ code: 1 });
    expect(await types('--out', out)).toMatchObject({ code: 0, stdout: `${out}: written\n` });
    expect(await types('--out', out, '--check')).toMatchObject({ code: 0 });
    expect(await readFile(out, 'utf8')).toBe((await types()).stdout);
    await writeFile(out, 'export {};\n');
    const { code, stdout } = await types('--out', out, '--check', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({ file: out, status: 'out of date' });
    expect(await readFile(out, 'utf8')).toBe('export {};\n');
  });

  test('--check without a file is a usage error', async () => {
    const { code, stderr } = await types('--check');
    expect(code).toBe(64);
    expect(stderr).toMatch(/^error: --check needs --out/);
  });
});

describe('test', () => {
  const moved = (...fields: object[]) => ({ type: 'record', name: 'ItemMoved', namespace: 'test', fields });
  const seq = { name: 'seq', type: 'long' };

  test('tries the newest rows with the local files, and shows places but no values', async () => {
    await using database = await openRelayDatabase();
    const env = {
      ...database.env,
      OUTBOX_RELAY_TOPICS_ALLOW: 'outbox.event.*',
      OUTBOX_RELAY_SCHEMAS_DIRECTORY: directory,
    };
    const run = (...args: string[]) => runCli(['schemas', 'test', ...args], env);
    await write('item/ItemMoved.avsc', moved(seq));
    expect(await run()).toMatchObject({ code: 0, stdout: 'no rows\n' });

    const insert = (type: string, payload: string, age: string) =>
      database.pool.query<{ id: string }>(
        `insert into outbox.event (aggregatetype, aggregateid, type, payload, created_at)
         values ('item', 'k', $1, $2, now() - $3::interval) returning id`,
        [type, payload, age],
      );
    await insert('test.ItemMoved', '{"seq": "tahini"}', '2 hours');
    await insert('test.ItemMoved', '{"seq": 9007199254740993}', '1 minute');
    await insert('test.Unknown', '{}', '1 minute');
    const fine = await run('--since', new Date(Date.now() - 3_600_000).toISOString(), '--json');
    expect(fine.code).toBe(0);
    expect(JSON.parse(fine.stdout)).toEqual({
      ok: true,
      rows: 2,
      types: [
        {
          aggregatetype: 'item',
          type: 'test.ItemMoved',
          file: 'item/ItemMoved.avsc',
          format: 'avro',
          rows: 1,
          passed: 1,
          failed: 0,
          failures: [],
        },
        expect.objectContaining({ type: 'test.Unknown', file: null, rows: 1, passed: 0, failed: 0 }),
      ],
    });

    const all = await run();
    expect(all.code).toBe(1);
    expect(all.stdout).toMatch(/✖ +test\.ItemMoved +item\/ItemMoved\.avsc +2 rows +1 passed +1 failed/);
    expect(all.stdout).toMatch(/[0-9a-f-]{36} {2}PAYLOAD_INVALID \$\.seq: expected long, found string/);
    expect(all.stdout).toMatch(/- +test\.Unknown +no file +1 row +not tried/);
    expect(all.stdout).not.toContain('tahini');

    // A topic of JSON takes any payload, without a file.
    const asJson = await runCli(['schemas', 'test'], { ...env, OUTBOX_RELAY_RECORDS_FORMAT: 'json' });
    expect(asJson.code).toBe(0);
    expect(asJson.stdout).toMatch(/✔ +test\.ItemMoved +JSON +2 rows +2 passed/);

    // The newest two, and a schema that those do not fit: it asks for more.
    await write('item/ItemMoved.avsc', moved(seq, { name: 'by', type: 'string' }));
    const { rows } = await insert('test.ItemMoved', '{"seq": 1}', '0');
    const limited = await run('--limit', '1', '--json');
    expect(limited.code).toBe(1);
    expect(JSON.parse(limited.stdout).types[0].failures).toEqual([
      { id: rows[0]!.id, code: 'PAYLOAD_INVALID', path: '$.by', message: 'expected string, found nothing' },
    ]);
  });

  test('wrong arguments are refused, and a database that does not answer ends with 69', async () => {
    const env = { DATABASE_URL: 'postgres://127.0.0.1:1/x', OUTBOX_RELAY_SCHEMAS_DIRECTORY: directory };
    const run = (...args: string[]) => runCli(['schemas', 'test', ...args], env);
    expect(await run('--limit', '0')).toMatchObject({ code: 64 });
    expect(await run('--since', '2026-01-31T08:00:00')).toMatchObject({ code: 64 });
    const { code, stderr } = await run();
    expect(code).toBe(69);
    expect(stderr).toMatch(/^error POSTGRES_UNAVAILABLE/);
  });
});
