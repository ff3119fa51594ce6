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

/** Of what databases may have applied. A changed comment is another text too: put what is new into a new file. */
const appliedChecksums = {
  event: '6ab6e6e3be3f5a4fcf36de6bd3fd592d4ab5065dffb402a7c6e4a597da7cace2',
  partitions: 'ec2752f670dcaef9ecb33d9b6a5d1ca249126b549c24f39c3295b7848c1829c6',
  emit: '7d2f6574d42f04fb7c7b776c3050a56d65a76949f435f2ce981fc6aa9eb1bf9c',
  heartbeat: '0fa63f9a0e1e4bcab75d90fccbcc3fbe80b13083478dadaf2e9bdee5fbd08681',
  publication: '5c9925ae3abd0652054d2070297e07b00150d387a4b89cda6e2eee7be6383785',
  progress: 'bded9274ca26ad723da6bb9048e50c568d34e3bdc02f9c9662030d5c00a7c36e',
  dead_letter: '7038db485f9fe612f4a5aebcf76b024f81a861707ae84aee85394e2b4ac9ea53',
  dead_letter_actions: '1c317ff16013f1ce4bdb1a0929f299dbf64c5319fd18a44c2bf9b8c101b06a12',
  parked_keys: '822c6137ad7bb430fa7b6ac6938bdf864313dce56a27ccfe43368f89faa894b1',
  many_dead_letters: '5d2e16fb333538694989c829706e73f05e8cfd8de2c4f849497532636a162fed',
  audit_trail: 'cae4be19206e386f2e98f20fff548c733e9c2c7e30188764d1c438bc31072497',
  partition_a_day: 'ae90cbfd58ab71f0a15e5631a4fd222a70b6500758ef2fdfaa848e0c1ecd42a9',
  search_path: '00812a46905c8c88df468fa58dddd303eda5f8c9ecde38ab2e3db0d832354fa1',
  large_rows: 'd8e83cf296070c0348e81093f32e71614919b027ff2a57e0e3a0e28bbff9e445',
  snapshots: 'fe2b8f56b7146ef42f799f81ec02dfb31ef4155cd00799600090ddde9391da93',
  lineage: '692617f16ca18752fc0ef8d4a20e103082b557bf2077517fd229ccbe6ce40ef7',
  cleanup: 'ae14cd6bbad7ec4d616efdf479a526b5fd1353c1d3fbd51ce496c97ef72633a7',
  audit: '4dcb28f958d8d408e8d5653d1595b7874f93428a1ca1b0ad343b9e9853f2a004',
  control: '311a08edba8c98f4474a6383f942ac315f5aa419394f8a3b134a373b0e9b1bf7',
  wal_sample: 'fceee00fad13b9afd78f135e7631ea0817547a6a37f74eab5d1623884fc0ab80',
  replay: '92617437d8cd76383e415f2fd3256adf8ee1ab327a924406cdced8ef8ecd3717',
  audit_beginning: '0f98af5d497cd225c18e443359bb059111758cdaae87a7547a141d99aacec8f1',
  release_by_policy: '3295400d81551d0d1f668c84acb411f7b750d76d1c497ed6059392b0af53b008',
  audit_compared: 'effca38e7444fea61de39954da51a31f60559ee10493fb7a1af8e362a34ce3e3',
};

test('no text of a migration that a database may have applied has changed', async () => {
  const files = await readMigrations(fileURLToPath(new URL('../../../../migrations/', import.meta.url)));
  expect(Object.fromEntries(files.map(({ name, checksum }) => [name, checksum]))).toEqual(appliedChecksums);
});
