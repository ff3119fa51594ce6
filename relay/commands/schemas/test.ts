/** `outbox-relay schemas test`: do recent rows of the outbox table fit the schema files? */
import { Command } from 'commander';
import { printable } from '../../observe/printable.ts';
import type { TypeTrial } from '../../operations/schemas/trial.ts';
import { type RowsTried, tryRecentRows } from '../../operations/schemas/try-rows.ts';
import { timeWithOffset, wholeNumber } from '../arguments.ts';
import { type Call, define } from '../command.ts';
import { count, counted, formatTable } from '../format.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';
import { ProgressLine } from '../progress-line.ts';

type TestOptions = { limit: number; since?: string; failures: number; json?: boolean };

const help = `
Changes nothing, publishes nothing and does not use the registry. It reads the newest rows of the outbox table and encodes
each one as the relay would if the schema files were registered. The output names ids, paths and types, and never shows a
value. The command counts rows whose type has no file, but does not try them. Topics that hold JSON (records.format) need
no file.

The table has no index by time, so the command scans it to find the newest rows. --since skips earlier days.

Exit codes: 0 every row that was tried passed · 1 a row would become a dead letter · 64 a file is invalid (every fault is
listed), or invalid arguments · 69 Postgres is unreachable · 77 access denied

Examples:
  $ outbox-relay schemas test
  $ outbox-relay schemas test --limit 100000 --since "$(date -u -d yesterday +%FT%TZ)"
  $ outbox-relay schemas test --json | jq '.types[] | select(.failed > 0)'`;

export function testCommand(load: Load): Command {
  const command = new Command('test')
    .description('encode recent rows of the outbox table with the schema files')
    .option('--limit <rows>', 'try at most this many rows, the newest', wholeNumber(1, 10_000_000), 1_000)
    .option(
      '--since <time>',
      'only rows written at or after this time: ISO 8601 with an offset or Z',
      timeWithOffset,
    )
    .option('--failures <number>', 'how many failures to show for each type', wholeNumber(0, 10_000), 5)
    .option(
      '--json',
      'print one JSON object {ok, rows, types: [{type, file, rows, passed, failed, failures}]}',
    )
    .addHelpText('after', helpText(help));
  return define<TestOptions>(command, load, { needs: ['database'], run });
}

async function run({ config, options: { limit, since, failures } }: Call<TestOptions>) {
  const line = new ProgressLine<number>((rows) => `${count(rows)} of at most ${count(limit)} rows tried`);
  const tried = await tryRecentRows({
    config,
    limit,
    ...(since === undefined ? {} : { since }),
    failuresMax: failures,
    onProgress: (rows) => line.show(rows),
  }).finally(() => line.end());
  return { data: tried, text: describe(tried), hasFindings: !tried.ok };
}

function describe({ rows, types }: RowsTried): string {
  if (rows === 0) return 'no rows';
  const isTried = ({ file, format }: Pick<TypeTrial, 'file' | 'format'>) =>
    file !== null || format === 'json';
  const table = types.map(({ type, file, format, rows, passed, failed }) => [
    failed > 0 ? '✖' : isTried({ file, format }) ? '✔' : '-',
    type,
    file ?? (format === 'json' ? 'JSON' : 'no file'),
    counted(rows, 'row'),
    isTried({ file, format }) || failed > 0 ? `${count(passed)} passed` : 'not tried',
    failed > 0 ? `${count(failed)} failed` : '',
  ]);
  return [formatTable(table), ...types.flatMap(describeFailures)].join('\n');
}

function describeFailures({ type, failed, failures }: TypeTrial): string[] {
  if (failed === 0) return [];
  const lines = failures.map(({ id, code, path, message }) =>
    printable(`  ${id ?? 'no id'}  ${code}${path === null ? '' : ` ${path}`}: ${message}`),
  );
  const rest = failed - failures.length;
  return ['', `${printable(type)}:`, ...lines, ...(rest > 0 ? [`  and ${count(rest)} more`] : [])];
}
