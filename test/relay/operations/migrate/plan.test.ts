import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import {
  type MigrationFile,
  planMigrations,
  readMigrations,
} from '../../../../relay/operations/migrate/plan.ts';

const file = (number: number, name = 'x', checksum = 'c'): MigrationFile => ({
  number,
  name,
  checksum,
  sql: '',
});
const conflict = (message: string) => expect.objectContaining({ code: 'MIGRATION_CONFLICT', message });

test('two files of one number are a conflict', () => {
  expect(() => planMigrations([file(1, 'a'), file(1, 'b')], [], undefined)).toThrow(
    conflict('two files have the number of 0001 b'),
  );
});

test('a file that appears before one that was applied is a conflict', () => {
  expect(() => planMigrations([file(1), file(2, 'late'), file(3)], [file(1), file(3)], undefined)).toThrow(
    conflict('0002 late was never applied, but migration 3 was'),
  );
});

test('a renamed file of the same text is the same migration', () => {
  const plan = planMigrations([file(1, 'new')], [file(1, 'old')], undefined);
  expect(plan).toEqual({ already: [{ number: 1, name: 'new', checksum: 'c' }], next: [], later: [] });
});

test('a target below what was applied leaves everything as it is', () => {
  const plan = planMigrations([file(1), file(2), file(3)], [file(1), file(2)], 1);
  expect(plan.next).toEqual([]);
  expect(plan.later.map((migration) => migration.number)).toEqual([3]);
});

test('line ends do not change the checksum, and files without a number are passed over', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'outbox-plan-'));
  try {
    await writeFile(join(directory, '0001_unix.sql'), 'select 1;\n');
    await writeFile(join(directory, '0002_windows.sql'), 'select 1;\r\n');
    await writeFile(join(directory, 'roles.sql'), 'select 1;\n');
    const [unix, windows, ...rest] = await readMigrations(directory);
    expect(unix?.checksum).toBe(windows?.checksum);
    expect(rest).toEqual([]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('the files of the release leave transactions to the tool that runs them', async () => {
  const files = await readMigrations(fileURLToPath(new URL('../../../../migrations/', import.meta.url)));
  expect(files.length).toBeGreaterThan(0);
  for (const { name, sql } of files) {
    expect(sql, name).not.toMatch(
      /^\s*(\\|(begin|commit|rollback|start transaction)\s*;|.*\bconcurrently\b)/im,
    );
  }
});
