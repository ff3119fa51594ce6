/**
 * Which migrations there are, and which of them a database still needs: pure decisions over files and recorded rows.
 * Promise: a database is only ever moved forward along the exact files of this release; anything else is refused
 * before the first change.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RelayError } from '../../errors.ts';

export type Migration = {
  readonly number: number;
  readonly name: string;
  /** SHA-256 of the text in hex, with line ends as LF: a checkout on Windows counts as the same file. */
  readonly checksum: string;
};

export type MigrationFile = Migration & { readonly sql: string };

export type MigrationPlan = {
  readonly already: readonly Migration[];
  /** To be applied now, in this order. */
  readonly next: readonly MigrationFile[];
  /** Left out by `to`. */
  readonly later: readonly Migration[];
};

/**
 * Earlier texts of files that have changed since in comments alone: checksum of the file, and of what it may have been
 * applied as. The earlier ones had characters outside ASCII, which a database in another encoding than UTF-8 may have no
 * place for; that of 0001 also said something about `\u0000` that is not so. What they make is the same.
 */
export const superseded: Readonly<Record<string, readonly string[]>> = {
  // 0001 event
  '6ab6e6e3be3f5a4fcf36de6bd3fd592d4ab5065dffb402a7c6e4a597da7cace2': [
    '4b4a6cd96dd6eecd2a3b1fa4f9627e8ff7fdf699d9beeaaae19877b4ba67fd8e',
  ],
  // 0002 partitions
  ec2752f670dcaef9ecb33d9b6a5d1ca249126b549c24f39c3295b7848c1829c6: [
    '3265b52054034b0ddc948bc6c88e26fcada6da351c0315035ce20f11e2c88d19',
  ],
  // 0003 emit
  '7d2f6574d42f04fb7c7b776c3050a56d65a76949f435f2ce981fc6aa9eb1bf9c': [
    '0174ab028a0c99c723a0df3023c23305503d12f227c346e4402803180d2cf35d',
  ],
  // 0009 parked_keys
  '822c6137ad7bb430fa7b6ac6938bdf864313dce56a27ccfe43368f89faa894b1': [
    'd7445b6aa751f253688616b4d3d746dbb92411dde2096f2a43c5aa6704c42703',
  ],
};

const fileName = /^(\d{4})_(\w+)\.sql$/;

/** Reads `0001_name.sql` and its siblings, lowest number first; other files (`roles.sql`) are none of ours. */
export async function readMigrations(directory: string): Promise<MigrationFile[]> {
  const names = (await readdir(directory)).filter((name) => fileName.test(name)).sort();
  return Promise.all(
    names.map(async (file) => {
      const [, number = '', name = ''] = fileName.exec(file) ?? [];
      const sql = (await readFile(join(directory, file), 'utf8')).replaceAll('\r\n', '\n');
      return { number: Number(number), name, checksum: createHash('sha256').update(sql).digest('hex'), sql };
    }),
  );
}

/**
 * @param recorded what `outbox.migration` holds, in any order
 * @param to the last number to apply; all of them without it
 * @throws RelayError `MIGRATION_CONFLICT`, `CONFIG_INVALID` when `to` names no migration
 */
export function planMigrations(
  files: readonly MigrationFile[],
  recorded: readonly Migration[],
  to: number | undefined,
): MigrationPlan {
  refuseDoubleNumbers(files);
  if (to !== undefined && !files.some((file) => file.number === to)) {
    throw new RelayError(
      'CONFIG_INVALID',
      `there is no migration ${to}; the last one is ${files.at(-1)?.number}`,
    );
  }
  for (const migration of recorded) refuseConflict(migration, files);

  const last = Math.max(0, ...recorded.map((migration) => migration.number));
  const missing = files.filter((file) => !recorded.some((migration) => migration.number === file.number));
  for (const file of missing) {
    if (file.number < last) {
      throw conflict(file, `${labelOf(file)} was never applied, but migration ${last} was`);
    }
  }
  return {
    already: files.filter((file) => !missing.includes(file)).map(withoutSql),
    next: missing.filter((file) => to === undefined || file.number <= to),
    later: missing.filter((file) => to !== undefined && file.number > to).map(withoutSql),
  };
}

/** `0001 event`, as people and logs name it. */
export function labelOf(migration: Migration): string {
  return `${String(migration.number).padStart(4, '0')} ${migration.name}`;
}

export function withoutSql({ number, name, checksum }: Migration): Migration {
  return { number, name, checksum };
}

function refuseDoubleNumbers(files: readonly MigrationFile[]): void {
  for (const [index, file] of files.entries()) {
    if (file.number === files[index - 1]?.number) {
      throw conflict(file, `two files have the number of ${labelOf(file)}`);
    }
  }
}

function refuseConflict(recorded: Migration, files: readonly MigrationFile[]): void {
  const file = files.find((candidate) => candidate.number === recorded.number);
  if (file === undefined) {
    throw conflict(recorded, `the database has ${labelOf(recorded)}, which this release does not know`);
  }
  const isSame = file.checksum === recorded.checksum;
  if (!isSame && !superseded[file.checksum]?.includes(recorded.checksum)) {
    throw conflict(recorded, `${labelOf(recorded)} was applied with another text than its file has now`);
  }
}

function conflict(migration: Migration, message: string): RelayError {
  return new RelayError('MIGRATION_CONFLICT', message, {
    context: { number: migration.number, name: migration.name },
  });
}
