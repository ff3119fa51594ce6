/** `outbox-relay cleanup`: removes what is published from the outbox table. */
import { Command } from 'commander';
import {
  type CleanupReport,
  type CleanupStep,
  cleanUp,
  keepReasons,
  type PieceReport,
} from '../operations/cleanup.ts';
import { describeBytes } from '../operations/slot-health.ts';
import { type ActorOptions, withActor } from './actor.ts';
import { type Call, define } from './command.ts';
import { count, counted, formatTable } from './format.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';
import { bar, ProgressLine } from './progress-line.ts';
import { oneShot, untilSignalled } from './until-signalled.ts';

type Options = ActorOptions & { dryRun?: boolean; json?: boolean };

const help = `
Drops each partition of outbox.event, and deletes each row of its default partition, whose events are published on every
slot, and for which cleanup.retention has passed. The relay does the same every minute; this runs it once. On an outbox
table of your own it deletes rows, at most cleanup.rowsPerSecond. It reads the table, outbox.progress, outbox.dead_letter
and the progress in Kafka.

It never removes a row that a slot has not published, that an open transaction may have written, or whose dead letter is
open or parked. It holds up no writer for longer than 100 ms. On SIGTERM or SIGINT it ends after the step in progress.
However it ends, nothing is half removed: run it again. Who ran it and why is in outbox.trail, what went in outbox.removal.

--dry-run removes nothing and takes no lock that a writer waits for. It reads every row, and says how many would go and
why the rest stays. docs/guides/cleanup.md explains each reason.

Exit codes: 0 done · 1 interrupted · 64 invalid arguments or configuration · 69 a server is unreachable · 77 access denied

Examples:
  $ outbox-relay cleanup --dry-run
  $ OUTBOX_RELAY_CLEANUP_RETENTION=3d outbox-relay cleanup --dry-run
  $ outbox-relay cleanup --json | jq '.pieces[] | select(.outcome == "kept")'`;

export function cleanupCommand(load: Load): Command {
  const command = new Command('cleanup')
    .summary('remove published events from the outbox table')
    .description(
      'Removes events from the outbox table once they are published and their retention has passed.',
    )
    .option('--dry-run', 'show what would go, and why the rest stays; remove nothing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', helpText(help));
  return define<Options>(withActor(command), load, { needs: ['database', 'kafka'], run });
}

async function run({ config, options }: Call<Options>) {
  const line = new ProgressLine<CleanupStep>(({ name, done, blocks }) =>
    blocks === 0 ? undefined : `reading ${name}: ${bar(done, blocks)} pages`,
  );
  const isDryRun = options.dryRun === true;
  const onStep = (step: CleanupStep) => line.show(step, step.name);
  const actor = isDryRun ? null : { person: options.by, reason: options.reason ?? null };
  const report = await untilSignalled(oneShot, (signal) =>
    cleanUp({ config, actor, signal, onStep }),
  ).finally(() => line.end());
  return { data: report, text: describeCleanup(report), hasFindings: report.isInterrupted };
}

/** Exported for its test. */
export function describeCleanup({ isDryRun, isInterrupted, pieces, ...removed }: CleanupReport): string {
  const rows = pieces.map((piece) => [
    piece.name,
    `${piece.isEstimate ? '~' : ''}${counted(piece.rows, 'row')}`,
    describeBytes(piece.bytes),
    outcomeOf(piece, { isDryRun, isInterrupted }),
  ]);
  const reasons = [...new Set(pieces.map(({ reason }) => reason))].filter((reason) => reason !== null);
  const legend = reasons.map((reason) => `${reason}: ${keepReasons[reason]}`);
  return [
    ...(rows.length > 0 ? [formatTable(rows)] : []),
    ...legend,
    totalOf(pieces, isDryRun, removed),
    ...(isInterrupted ? ['interrupted: it has not looked at the rest; run it again'] : []),
  ].join('\n');
}

function outcomeOf(
  { outcome, rows, isEstimate, removedRows, reason, slot, held }: PieceReport,
  { isDryRun, isInterrupted }: Pick<CleanupReport, 'isDryRun' | 'isInterrupted'>,
): string {
  if (outcome === 'removed') return 'removed';
  if (outcome === 'removable') return 'would go';
  const done = isDryRun ? 'would go' : 'removed';
  // What is counted is exact; the rows of a piece that nobody looked through are an estimate.
  const of = isEstimate || reason === null ? '' : ` of ${count(rows)}`;
  const some =
    removedRows > 0
      ? `${of === '' ? counted(removedRows, 'row') : `${count(removedRows)}${of} rows`} ${done}; `
      : '';
  if (reason === null) return `${some}${isInterrupted ? 'then interrupted' : 'nothing stays'}`;
  const left = of === '' || removedRows === 0 ? 'stays' : stays(rows - removedRows);
  const counts = Object.entries(held).map(([kind, rows]) => `${count(rows)} ${wordsOf(kind)}`);
  const details = [...(slot === null ? [] : [`slot ${slot}`]), ...counts].join(', ');
  return `${some}${left}: ${reason}${details === '' ? '' : ` (${details})`}`;
}

const wordsOf = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

const stays = (rows: number) => counted(rows, 'stays', 'stay');

function totalOf(
  pieces: readonly PieceReport[],
  isDryRun: boolean,
  {
    removedRows,
    removedPartitions,
    removedBytes,
  }: Omit<CleanupReport, 'isDryRun' | 'isInterrupted' | 'pieces'>,
): string {
  if (!isDryRun)
    return `removed ${counted(removedRows, 'row')}; ${counted(removedPartitions, 'partition')} dropped, ${describeBytes(removedBytes)}`;
  const going = pieces.filter(({ outcome }) => outcome === 'removable');
  const bytes = going.reduce((sum, piece) => sum + piece.bytes, 0);
  const wouldGo = pieces.reduce((sum, piece) => sum + piece.removedRows, 0);
  return `${counted(wouldGo, 'row')} would go; ${counted(going.length, 'partition')} as a whole, ${describeBytes(bytes)}`;
}
