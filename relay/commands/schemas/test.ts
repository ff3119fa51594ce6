/** `outbox-relay schemas test`: recent rows of the real outbox table against the local, not yet registered files. */
import { Command, InvalidArgumentError } from 'commander';
import { createLogUpdate } from 'log-update';
import { exitCodes } from '../../errors.ts';
import { printable } from '../../observe/printable.ts';
import { readSchemaFiles } from '../../operations/schemas/files.ts';
import { readRecentRows } from '../../operations/schemas/recent-rows.ts';
import { Trial, type TypeTrial } from '../../operations/schemas/trial.ts';
import type { Load } from '../load.ts';
import { formatTable } from '../table.ts';

type TestOptions = { limit: number; since?: string; failures: number; json?: boolean };

const help = `
Reads the newest rows of the outbox table and encodes each as the relay would if the local files were the registered
schemas; the registry is not asked, nothing is published or changed. Shown are ids, places and types, never a value.
Rows of a type that has no file are counted and not tried.

The table has no index by time: finding the newest rows scans it. --since leaves out the days before.

Exit codes: 0 every row that was tried passes · 1 one would become a dead letter · 64 a file is no valid schema, or a
wrong argument · 69 Postgres does not answer · 77 it refuses the role

Examples:
  $ outbox-relay schemas test
  $ outbox-relay schemas test --limit 100000 --since "$(date -u -d yesterday +%FT%TZ)"
  $ outbox-relay schemas test --json | jq '.types[] | select(.failed > 0)'`;

export function schemasTestCommand(load: Load): Command {
  return new Command('test')
    .description('try recent rows of the outbox table with the schema files')
    .option('--limit <rows>', 'at most this many rows, the newest', integer(1, 10_000_000), 1_000)
    .option('--since <time>', 'only rows written at or after this time, ISO 8601 with an offset or Z', time)
    .option('--failures <number>', 'failures shown of each type', integer(0, 10_000), 5)
    .option(
      '--json',
      'print one JSON object {ok, rows, types: [{type, file, rows, passed, failed, failures}]}',
    )
    .addHelpText('after', help)
    .action(async (options: TestOptions, command: Command) => {
      const { config } = load(command, ['database']);
      const trial = new Trial(config, await readSchemaFiles(config), options.failures);
      const progress = progressLine(process.stderr);
      const { limit, since } = options;
      let rows = 0;
      await readRecentRows(config, { limit, ...(since === undefined ? {} : { since }) }, async (some) => {
        await trial.add(some);
        rows += some.length;
        progress.show(`${rows} of at most ${limit} rows tried`);
      }).finally(progress.end);
      const types = trial.results();
      const isFine = types.every(({ failed }) => failed === 0);
      const text = options.json
        ? JSON.stringify({ ok: isFine, rows, types }, null, 2)
        : describe(rows, types);
      command.configureOutput().writeOut?.(`${text}\n`);
      if (!isFine) process.exitCode = exitCodes.findings;
    });
}

function integer(minimum: number, maximum: number): (value: string) => number {
  return (value) => {
    const parsed = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (!(parsed >= minimum && parsed <= maximum))
      throw new InvalidArgumentError(`expected a whole number from ${minimum} to ${maximum}.`);
    return parsed;
  };
}

/** Without an offset Postgres would take its own time zone. */
function time(value: string): string {
  if (!/^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:?\d{2})$/i.test(value) || Number.isNaN(Date.parse(value)))
    throw new InvalidArgumentError('expected a time such as 2026-01-31T08:00:00Z.');
  return new Date(value).toISOString();
}

/** One line that moves on a terminal; nothing elsewhere, where it would only fill a log. */
function progressLine(stream: NodeJS.WriteStream) {
  if (!stream.isTTY) return { show: () => {}, end: () => {} };
  const update = createLogUpdate(stream);
  return { show: (line: string) => update(line), end: () => update.clear() };
}

function describe(rows: number, types: readonly TypeTrial[]): string {
  if (rows === 0) return 'no rows';
  const table = types.map(({ type, file, rows: count, passed, failed }) => [
    failed > 0 ? '✖' : file === null ? '-' : '✔',
    type,
    file ?? 'no file',
    `${count} rows`,
    file === null && failed === 0 ? 'not tried' : `${passed} passed`,
    failed > 0 ? `${failed} failed` : '',
  ]);
  return [formatTable(table), ...types.flatMap(describeFailures)].join('\n');
}

function describeFailures({ type, failed, failures }: TypeTrial): string[] {
  if (failed === 0) return [];
  const lines = failures.map(({ id, code, path, message }) =>
    printable(`  ${id ?? 'no id'}  ${code}${path === null ? '' : ` ${path}`}: ${message}`),
  );
  const rest = failed - failures.length;
  return ['', `${printable(type)}:`, ...lines, ...(rest > 0 ? [`  and ${rest} more`] : [])];
}
