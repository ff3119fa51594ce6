/** `outbox-relay migrate`: brings the schema `outbox` up to this release. */
import { Command } from 'commander';
import { type MigrateResult, type Migration, migrate } from '../operations/migrate/migrate.ts';
import { labelOf } from '../operations/migrate/plan.ts';
import { wholeNumber } from './arguments.ts';
import { type Call, define } from './command.ts';
import { count } from './format.ts';
import type { Load } from './load.ts';

type MigrateOptions = { dryRun?: boolean; to?: number; json?: boolean };

const help = `
Needs a role that may create a schema and a publication. That role becomes the owner of the schema outbox. Afterwards run
migrations/roles.sql, which grants rights to the applications, the relay and its operators.

Concurrent runs wait for each other. Migrations cannot be undone. The command changes nothing if a migration file was
changed after it was applied, or if the database has a migration that this release does not know.

The environment variable DATABASE_URL overrides database.url in the file.

Exit codes: 0 the schema is up to date (with --dry-run: shown) · 64 invalid arguments or configuration ·
69 Postgres is unreachable · 77 access denied · 78 the database does not fit this release

Examples:
  $ outbox-relay migrate --dry-run
  $ outbox-relay migrate
  $ outbox-relay migrate --to 3 --json`;

export function migrateCommand(load: Load): Command {
  const command = new Command('migrate')
    .description('create or update the schema outbox in Postgres')
    .option('--dry-run', 'show the migrations that would be applied; change nothing')
    .option('--to <number>', 'stop after this migration (default: the last one)', wholeNumber(1, 9_999))
    .option('--json', 'print one JSON object {applied, pending, already}')
    .addHelpText('after', help);
  return define<MigrateOptions>(command, load, { needs: ['database'], run });
}

async function run({ config, options: { dryRun, to, json }, print }: Call<MigrateOptions>) {
  const result = await migrate({
    databaseUrl: config.database.url,
    ...(dryRun === undefined ? {} : { dryRun }),
    ...(to === undefined ? {} : { to }),
    ...(json ? {} : { onProgress: (migration, elapsedMs) => print(appliedLine(migration, elapsedMs)) }),
  });
  return { data: result, text: summary(result, dryRun === true) };
}

function appliedLine(migration: Migration, elapsedMs: number): string {
  return `applied ${labelOf(migration)} (${Math.round(elapsedMs)} ms)`;
}

function summary({ applied, pending, already }: MigrateResult, isDryRun: boolean): string {
  if (isDryRun && pending.length > 0)
    return pending.map((migration) => `would apply ${labelOf(migration)}`).join('\n');
  const done = applied.length === 0 ? 'nothing to apply' : `${count(applied.length)} applied`;
  const left = pending.length > 0 ? `, ${count(pending.length)} pending` : '';
  return `${done}, ${count(already.length)} already applied${left}`;
}
