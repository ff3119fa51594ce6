/** `outbox-relay migrate`: brings the schema `outbox` up to this release. */
import { Command, InvalidArgumentError } from 'commander';
import { type MigrateResult, type Migration, migrate } from '../operations/migrate/migrate.ts';
import { labelOf } from '../operations/migrate/plan.ts';

type MigrateCommandOptions = { dryRun?: boolean; to?: number; json?: boolean };

const help = `
Needs a role that may create a schema and a publication in the database; it becomes the owner of the schema outbox.
Runs that meet wait for each other. A migration whose file changed after it was applied, or one that this release does
not know, is refused before anything is changed. There is no way back down.

The rights of the writing applications and of the relay are in migrations/roles.sql, to be run afterwards.

Examples:
  $ outbox-relay migrate --dry-run
  $ outbox-relay migrate
  $ outbox-relay migrate --to 3 --json`;

/** @param loadDatabaseUrl called when the command runs, so that --help needs no configuration */
export function migrateCommand(loadDatabaseUrl: () => Promise<string>): Command {
  const command = new Command('migrate')
    .description('create or update the outbox schema in Postgres')
    .option('--dry-run', 'show what would be applied and change nothing')
    .option('--to <number>', 'apply up to and including this migration (default: all)', parseNumber)
    .option('--json', 'print one JSON object {applied, pending, already} instead of lines')
    .addHelpText('after', help);
  return command.action(async (options: MigrateCommandOptions) => {
    const print = (line: string) => command.configureOutput().writeOut?.(`${line}\n`);
    const result = await migrate({
      databaseUrl: await loadDatabaseUrl(),
      ...(options.dryRun === undefined ? {} : { dryRun: options.dryRun }),
      ...(options.to === undefined ? {} : { to: options.to }),
      ...(options.json
        ? {}
        : { onProgress: (migration, elapsedMs) => print(appliedLine(migration, elapsedMs)) }),
    });
    if (options.json) print(JSON.stringify(result));
    else for (const line of summaryLines(result, options.dryRun === true)) print(line);
  });
}

function parseNumber(value: string): number {
  if (!/^[1-9]\d{0,3}$|^0\d{3}$/.test(value))
    throw new InvalidArgumentError('expected the number of a migration, as 3.');
  return Number(value);
}

function appliedLine(migration: Migration, elapsedMs: number): string {
  return `applied ${labelOf(migration)} (${Math.round(elapsedMs)} ms)`;
}

function summaryLines({ applied, pending, already }: MigrateResult, dryRun: boolean): string[] {
  if (dryRun && pending.length > 0) return pending.map((migration) => `would apply ${labelOf(migration)}`);
  const left = pending.length > 0 ? `, ${pending.length} pending` : '';
  if (applied.length === 0) return [`nothing to apply, ${already.length} applied before${left}`];
  return [`${applied.length} applied, ${already.length} applied before${left}`];
}
