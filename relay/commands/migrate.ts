/** `outbox-relay migrate`: brings the schema `outbox` up to this release. */
import { Command } from 'commander';
import { type MigrateResult, type Migration, migrate } from '../operations/migrate/migrate.ts';
import { labelOf } from '../operations/migrate/plan.ts';
import { wholeNumber } from './arguments.ts';
import { type Call, define } from './command.ts';
import { count } from './format.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';

type MigrateOptions = { dryRun?: boolean; to?: number; roles?: boolean; json?: boolean };

const help = `
Needs a role that may create a schema and a publication. That role becomes the owner of the schema outbox. Afterwards run
migrations/roles.sql, which creates the roles of the applications, the relay and its operators, and grants their rights.
--roles does that too; the role then also needs CREATEROLE and REPLICATION, or must be a superuser. It sets no password.

Concurrent runs wait for each other. Migrations cannot be undone. The command changes nothing if a migration file was
changed after it was applied, or if the database has a migration that this release does not know.

The environment variable DATABASE_URL overrides database.url in the file.

Exit codes: 0 the schema is up to date (with --dry-run: shown) · 64 invalid arguments or configuration ·
69 Postgres is unreachable · 77 access denied · 78 the database does not fit this release

Examples:
  $ outbox-relay migrate --dry-run
  $ outbox-relay migrate
  $ outbox-relay migrate --roles
  $ outbox-relay migrate --to 3 --json`;

export function migrateCommand(load: Load): Command {
  const command = new Command('migrate')
    .description('create or update the schema outbox in Postgres')
    .option('--dry-run', 'show the migrations that would be applied; change nothing')
    .option('--to <number>', 'stop after this migration (default: the last one)', wholeNumber(1, 9_999))
    .option('--roles', 'then run roles.sql, which creates the roles and grants their rights')
    .option('--json', 'print one JSON object {applied, pending, already}')
    .addHelpText('after', helpText(help));
  return define<MigrateOptions>(command, load, { needs: ['database'], validate, run });
}

function validate({ roles, dryRun, to }: MigrateOptions): string | undefined {
  if (roles && dryRun) return '--roles and --dry-run exclude each other';
  // The file names what the last migration creates.
  return roles && to !== undefined ? '--roles and --to exclude each other' : undefined;
}

async function run({ config, options: { dryRun, to, roles, json }, print }: Call<MigrateOptions>) {
  const result = await migrate({
    databaseUrl: config.database.url,
    database: config.database,
    ...(dryRun === undefined ? {} : { dryRun }),
    ...(to === undefined ? {} : { to }),
    ...(roles === undefined ? {} : { roles }),
    ...(json ? {} : { onProgress: (migration, elapsedMs) => print(appliedLine(migration, elapsedMs)) }),
  });
  const granted = roles ? '\nroles.sql: the roles exist and have their rights' : '';
  return { data: result, text: `${summary(result, dryRun === true)}${granted}` };
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
