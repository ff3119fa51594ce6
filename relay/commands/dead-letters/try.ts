/** `outbox-relay dead-letters try`: how many the relay would publish now. Publishes and changes nothing. */
import { Command } from 'commander';
import { type Trial, tryDeadLetters } from '../../operations/dead-letters/fix-many.ts';
import type { RefusedGroup } from '../../operations/dead-letters/refused-groups.ts';
import { type Call, define } from '../command.ts';
import { count } from '../format.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';
import { bar, ProgressLine } from '../progress-line.ts';
import { type FilterOptions, patchFault, selectionOf, withFilters } from './options.ts';
import { cellOf, screenNow, tableOf } from './table.ts';

type TryOptions = FilterOptions & { patch?: string; json?: boolean };

const help = `
Encodes each open dead letter as the relay would, with the schemas, topics and settings of this moment, and drops the result.
With --patch it does so with the patched payloads. It stores and publishes nothing, and creates no topic.

Run it after a schema was corrected, before \`resubmit\`; and before \`fix --all-matching\` with its patch.

Exit codes: 0 all would be published · 1 some would be refused again · 64 the patch cannot be read, or invalid arguments ·
69 a server is unreachable · 77 access denied: grant outbox_operator

Examples:
  $ outbox-relay dead-letters try
  $ outbox-relay dead-letters try --code PAYLOAD_INVALID --path '$.total' \\
      --patch '[{"op":"move","from":"/sum","path":"/total"}]'`;

export function tryCommand(load: Load): Command {
  const command = withFilters(
    new Command('try')
      .description('show how many open dead letters the relay would publish now')
      .argument('[letters...]', 'positions, or ids of the events; without them, all'),
  )
    .option('--patch <json>', 'try the payloads with this JSON patch: the JSON itself, no file')
    .option('--json', 'print one JSON object')
    .addHelpText('after', helpText(help));
  return define<TryOptions>(command, load, { validate: ({ patch }) => patchFault(patch), run });
}

async function run({ config, options, args }: Call<TryOptions>) {
  const line = new ProgressLine<readonly [number, number]>(([done, of]) =>
    of === 0 ? undefined : `tried ${bar(done, of)}`,
  );
  const trial = await tryDeadLetters({
    config,
    selection: selectionOf(options, args),
    onProgress: (done, of) => line.show([done, of]),
    ...(options.patch === undefined ? {} : { patch: options.patch }),
  }).finally(() => line.end());
  const hasFindings = trial.wouldPublish < trial.tried;
  return { data: withoutValues(trial), text: describe(trial), hasFindings };
}

function describe({ tried, wouldPublish, refused, sameValues }: Trial): string {
  const rows = [
    ['would publish now', `${count(wouldPublish)} of ${count(tried)}`, ''],
    ...rowsOfRefused(refused),
    ...rowsOfWarnings(sameValues),
  ];
  return tableOf(rows, screenNow());
}

/** Logs keep what a command prints, and no value of a payload belongs there. */
export const withoutValues = (trial: Trial) => ({
  ...trial,
  sameValues: trial.sameValues.map(({ values: _, ...rest }) => rest),
});

export function rowsOfWarnings(sameValues: Trial['sameValues']): string[][] {
  return sameValues.flatMap(({ path, warning }) =>
    warning === null ? [] : [['warning', '', `${cellOf(path, screenNow())} ${warning}`]],
  );
}

/** Why not, a line for each reason. */
export function rowsOfRefused(refused: readonly RefusedGroup[]): string[][] {
  return refused.map(({ code, path, message, count: number }) => [
    'refused',
    count(number),
    `${code === null ? '' : `${code}${path === null ? '' : ` at ${cellOf(path, screenNow())}`}: `}${message}`,
  ]);
}
