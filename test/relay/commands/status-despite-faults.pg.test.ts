/** `status` is what people run when something is wrong, and the file of the settings may be what is wrong. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMigratedDatabase, type TestDatabase } from '../../support/database.ts';
import { runCli } from './cli.ts';

let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  database = await createMigratedDatabase();
  folder = await mkdtemp(join(tmpdir(), 'outbox-relay-status-'));
});
afterAll(async () => {
  await database?.drop();
  await rm(folder, { recursive: true });
});

const statusWith = (text: string, ...args: string[]) => statusIn({}, text, ...args);

async function statusIn(env: Record<string, string>, text: string, ...args: string[]) {
  const file = join(folder, 'shop.yaml');
  await writeFile(file, text);
  const of = { DATABASE_URL: database.url, ...env };
  return { file, ...(await runCli(['-c', file, 'status', ...args], of)) };
}

test('status shows what the relays do, and names the fault of the file and where it is', async () => {
  const { file, code, stdout, stderr } = await statusWith('slot: shop\npublish: { lingerMs: soon }\n');
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  expect(stdout).toMatch(/^slot +shop does not exist/m);
  expect(stdout).toMatch(
    /^! the configuration has 1 fault\. No relay starts with that\..*\n {3,}publish\.lingerMs /m,
  );
  expect(stdout).toContain(`Correct publish.lingerMs in ${file}.`);
  const { stdout: json } = await statusWith('slot: shop\npublish: { lingerMs: soon }\n', '--json');
  expect(JSON.parse(json)).toMatchObject({ slotName: 'shop', configFault: { code: 'CONFIG_INVALID' } });
  const { stdout: fine } = await statusWith('slot: shop\n', '--json');
  expect(JSON.parse(fine)).toMatchObject({ slotName: 'shop', configFault: null });
});

test('status of an outbox that the file does not name for certain is refused', async () => {
  const { code, stdout, stderr } = await statusWith('slto: shop\n');
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
  expect(stderr).toContain('slto is not a setting; the nearest is slot');
});

test('of a file that is no YAML nothing is known, and the environment can say which outbox is meant', async () => {
  const noYaml = 'slot: shop\n  topics: [\n';
  const refused = await statusWith(noYaml);
  expect(refused).toMatchObject({
    code: 64,
    stdout: '',
    stderr: expect.stringContaining('is not valid YAML'),
  });
  const { file, code, stdout } = await statusIn({ OUTBOX_RELAY_SLOT: 'shop' }, noYaml);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^slot +shop does not exist/m);
  expect(stdout).toContain(`! ${file} is not valid YAML at line 1`);
});
