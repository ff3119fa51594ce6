/** `outbox-relay dead-letters resubmit` and `discard`: close one or many. */
import { Command } from 'commander';
import {
  type Closed,
  type Closing,
  type ClosingPreview,
  discard,
  previewClosing,
  resubmit,
} from '../../operations/dead-letters/resubmit-discard.ts';
import { type ActorOptions, withActor, yesWith } from '../actor.ts';
import { type Call, define } from '../command.ts';
import { count, formatTable } from '../format.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';
import { bar, ProgressLine } from '../progress-line.ts';
import { type FilterOptions, isEmpty, selectionOf, withFilters } from './options.ts';

type CloseOptions = FilterOptions &
  ActorOptions & { all?: boolean; parked?: boolean; dryRun?: boolean; yes?: boolean; json?: boolean };

const choice = `
Choose dead letters by position or event id, by filters, or both; --all chooses every open one. Without --yes the command
shows what it would do and changes nothing. With --yes it does everything in one Postgres transaction.

It skips dead letters that are not open, those whose key is being released, and those that the progress does not cover
yet, because the relay may read such an event again. Try these again after a few seconds, while the relay runs.`;

const exitCodes = `
Exit codes: 0 all done (with --dry-run: shown) · 1 shown but not done, or some skipped · 64 there is no such dead
letter, or invalid arguments · 69 Postgres is unreachable · 77 access denied: grant outbox_operator`;

const resubmitHelp = `${choice}

The command inserts the events into the outbox table again, with their ids and in the order of their positions. The relay
publishes them after everything that was written before. Each event is sent once, even if several people run the command.
An event whose row the table does not accept, for example because its payload has \\u0000 and the column is jsonb, stays
open, and the others are resubmitted. An event that is refused again becomes a dead letter at its new position; \`show <event id>\` lists both. If the key is
parked, use \`release\` instead, which keeps the order of the key. Without --yes it warns of payloads that were refused and
that nobody has fixed since.
${exitCodes} · 78 the outbox table
accepts none of the rows

Examples:
  $ outbox-relay dead-letters resubmit 000000000172f1a8.00000000 --yes
  $ outbox-relay dead-letters resubmit --code SCHEMA_MISSING --dry-run
  $ outbox-relay dead-letters resubmit --code SCHEMA_MISSING --type shop.OrderPlaced --yes`;

const discardHelp = `${choice}

A discarded event is never published, and this cannot be undone. A parked key stays parked until \`release\`.
${exitCodes}

Examples:
  $ outbox-relay dead-letters discard 000000000172f1a8.00000000 --reason 'test data, OPS-17' --yes
  $ outbox-relay dead-letters discard --aggregatetype tracking --until 7d --reason 'outdated' --yes`;

type Action = 'resubmit' | 'discard';

export function resubmitCommand(load: Load): Command {
  const command = withSelection(new Command('resubmit')).description('publish the events of dead letters');
  withActor(command).addHelpText('after', helpText(resubmitHelp));
  return define<CloseOptions>(command, load, {
    needs: ['database'],
    validate: validateSelection,
    run: (call) =>
      run('resubmit', call, (closing, { by, reason }) =>
        resubmit({ ...closing, actor: { person: by, reason: reason ?? null } }),
      ),
  });
}

export function discardCommand(load: Load): Command {
  const command = withSelection(new Command('discard'))
    .description('close dead letters whose events nobody needs')
    .option('--parked', 'also discard events that wait behind a dead letter of their key');
  withActor(command, 'why; recorded in the audit trail; required with --yes').addHelpText(
    'after',
    helpText(discardHelp),
  );
  return define<CloseOptions>(command, load, {
    needs: ['database'],
    validate: (options, names) =>
      validateSelection(options, names) ??
      (options.yes === true && options.reason === undefined
        ? 'give --reason: why does nobody need these events?'
        : undefined),
    run: (call) =>
      run('discard', call, (closing, { by, reason }) =>
        // `validate` has seen to it that there is one.
        discard({ ...closing, actor: { person: by, reason: reason! } }),
      ),
  });
}

function withSelection(command: Command): Command {
  return withFilters(command.argument('[letters...]', 'positions, or ids of the events'))
    .option('--all', 'every open one')
    .option('--dry-run', 'show what would be done; change nothing, and exit with 0')
    .option('--yes', 'do it')
    .option('--json', 'print one JSON object');
}

function validateSelection(options: CloseOptions, names: readonly string[]): string | undefined {
  const isChosen = !isEmpty(selectionOf(options, names)) || options.all === true;
  return isChosen ? undefined : 'name dead letters, filter them, or give --all';
}

type Close = (closing: Omit<Closing, 'actor'>, options: CloseOptions) => Promise<Closed>;

async function run(action: Action, { config, options, args }: Call<CloseOptions>, close: Close) {
  const isPreview = options.dryRun === true || options.yes !== true;
  const selection = {
    ...selectionOf(options, args),
    statuses: options.parked === true ? (['open', 'parked'] as const) : (['open'] as const),
  };
  const line = new ProgressLine<readonly [number, number]>(([done, of]) => `${bar(done, of)} dead letters`);
  const onProgress = (done: number, of: number) => line.show([done, of]);
  const closed: Closed | ClosingPreview = isPreview
    ? await previewClosing(config, selection)
    : await close({ config, selection, onProgress }, options).finally(() => line.end());
  const isDone = !isPreview && closed.done === closed.open;
  return {
    data: closed,
    text: describe(action, closed, isPreview ? askAgainWith(action, options) : undefined),
    hasFindings: !isDone && options.dryRun !== true,
  };
}

/** Of events that the table does not accept. */
const namedMax = 10;

const pastOf = { resubmit: 'resubmitted', discard: 'discarded' } as const;

/** What a preview lacks of the command that does it. */
function askAgainWith(action: Action, { reason }: CloseOptions): string {
  const needsReason = action === 'discard' && reason === undefined;
  const why = needsReason ? ': why does nobody need these events?' : '';
  return `run again with ${yesWith(needsReason)} to do it${why}`;
}

/** @param next of a preview: how to do it */
function describe(action: Action, closed: Closed | ClosingPreview, next: string | undefined): string {
  const isPreview = next !== undefined;
  const unrepaired = action === 'resubmit' && 'unrepaired' in closed ? closed.unrepaired : 0;
  const { open, done, notAccepted, unsettled, leftOut, withoutId, ofParkedKeys, beingReleased, byCode } =
    closed;
  const left: [string, number][] = [
    ['not covered by the progress yet; try again in a few seconds', unsettled],
    [
      'their key is parked: correct the cause or fix them, then publish them with `release`',
      action === 'resubmit' ? ofParkedKeys : 0,
    ],
    ['their key is being released; try again when that is done', beingReleased],
    [
      'their payload was left out because it is too large: fix them with a smaller one',
      action === 'resubmit' ? leftOut : 0,
    ],
    ['they have no event id, so they can only be discarded', action === 'resubmit' ? withoutId : 0],
  ];
  const skipped = left.map(([, number]) => number).filter((number) => number > 0);
  // One dead letter may be skipped for several reasons.
  const most = `${skipped.length > 1 ? 'at most ' : ''}${count(open - Math.max(0, ...skipped))}`;
  return formatTable([
    [isPreview ? `would ${action}` : pastOf[action], isPreview ? most : count(done)],
    // Alone, the code of one that is done reads like a refusal that has just come.
    ...Object.entries(byCode).map(([code, number]) => ['', count(number), isPreview ? code : `was ${code}`]),
    ...(open === 0 && !left.some(([, number]) => number > 0)
      ? [['', '', 'none of them is open; see `list --status all`']]
      : []),
    ...left.filter(([, number]) => number > 0).map(([why, number]) => ['skipped', count(number), why]),
    ...notAccepted
      .slice(0, namedMax)
      .map(({ position, why }) => [
        'skipped',
        '1',
        `${position}: the outbox table does not accept its row (${why})`,
      ]),
    ...(notAccepted.length > namedMax
      ? [['skipped', count(notAccepted.length - namedMax), 'more that the table does not accept; see --json']]
      : []),
    ...(unrepaired > 0
      ? [
          [
            'warning',
            count(unrepaired),
            'with the payload that was refused: fix it first, or the relay refuses it again, unless a schema that takes it was registered; `dead-letters try` says which',
          ],
        ]
      : []),
    ...(isPreview ? [['not changed', '', next]] : []),
  ]);
}
