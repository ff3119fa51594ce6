import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { migrateCommand } from '../../../relay/commands/migrate.ts';
import { loadConfig } from '../../../relay/config/config.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

const folder = path.join(import.meta.dirname, '../../../migrations');
/** As `0001 event`, in order. */
const all = readdirSync(folder)
  .flatMap((file) => /^(\d{4})_(.+)\.sql$/.exec(file)?.slice(1).join(' ') ?? [])
  .toSorted();

let database: TestDatabase;

beforeEach(async () => {
  database = await createDatabase();
});
afterEach(() => database?.drop());

/** Runs `outbox-relay migrate …` in this process and returns what it printed to standard output. */
async function run(...args: string[]): Promise<string> {
  let printed = '';
  const { config } = loadConfig({ env: { DATABASE_URL: database.url }, needs: ['database'] });
  const command = migrateCommand(() => ({ config, provenance: new Map() }))
    .configureOutput({ writeOut: (text) => (printed += text), writeErr: () => undefined })
    .exitOverride();
  await command.parseAsync(args, { from: 'user' });
  return printed;
}

test('it prints a line a migration and a summary', async () => {
  const lines = (await run()).trimEnd().split('\n');
  expect(lines[0]).toMatch(/^applied 0001 event \(\d+ ms\)$/);
  expect(lines.at(-1)).toBe(`${all.length} applied, 0 already applied`);
  expect(await run()).toBe(`nothing to apply, ${all.length} already applied\n`);
});

test('a dry run prints what would be applied', async () => {
  await run('--to', '0005');
  expect((await run('--dry-run')).trimEnd().split('\n')).toEqual(
    all.slice(5).map((migration) => `would apply ${migration}`),
  );
});

test('with --json it prints one object', async () => {
  const printed = await run('--to', '2', '--json');
  expect(printed.trimEnd().split('\n')).toHaveLength(1);
  const result = JSON.parse(printed);
  expect(result.applied.map((migration: { name: string }) => migration.name)).toEqual([
    'event',
    'partitions',
  ]);
  expect(result.pending).toHaveLength(all.length - 2);
  expect(result.already).toEqual([]);
});

test('with --roles the roles have their rights afterwards, however often it runs', async () => {
  const granted = 'roles.sql: the roles exist and have their rights';
  expect((await run('--roles')).trimEnd().split('\n').at(-1)).toBe(granted);
  expect(await run('--roles')).toBe(`nothing to apply, ${all.length} already applied\n${granted}\n`);
  const { rows } = await database.pool.query<{ may: boolean }>(
    "select has_table_privilege('outbox_relay', 'outbox.event', 'select') as may",
  );
  expect(rows).toEqual([{ may: true }]);
});

test('without --roles nothing is granted', async () => {
  await run();
  const { rows } = await database.pool.query<{ may: boolean }>(
    "select coalesce(bool_or(has_table_privilege(oid, 'outbox.event', 'select')), false) as may from pg_roles where rolname = 'outbox_relay'",
  );
  expect(rows).toEqual([{ may: false }]);
});

test.each(['--dry-run', '--to=2'])('--roles and %s exclude each other', async (option) => {
  await expect(run('--roles', option)).rejects.toMatchObject({ code: 'commander.error' });
});

test.each(['0', 'x', '-1', '1.5'])('--to %s is refused', async (value) => {
  await expect(run('--to', value)).rejects.toMatchObject({ code: 'commander.invalidArgument' });
});

test('help needs no configuration and says which file holds the rights', async () => {
  const command = migrateCommand(() => {
    throw new Error('configuration was read');
  }).exitOverride();
  let printed = '';
  command.configureOutput({ writeOut: (text) => (printed += text) });
  await expect(command.parseAsync(['--help'], { from: 'user' })).rejects.toMatchObject({
    code: 'commander.helpDisplayed',
  });
  expect(printed).toContain('migrations/roles.sql');
});
