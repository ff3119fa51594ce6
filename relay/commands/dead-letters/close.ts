/** `outbox-relay dead-letters resubmit` and `discard`: what is done to many at once. */
import { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import { createPool } from '../../connect/postgres/pool.ts';
import { exitCodes } from '../../errors.ts';
import { printable } from '../../observe/printable.ts';
import { type Closed, discard, resubmit } from '../../operations/dead-letters/close.ts';
import { parseLetterName } from '../../operations/dead-letters/letter.ts';
import { listLetters, type Tally, tally } from '../../operations/dead-letters/read.ts';
import type { Selection } from '../../operations/dead-letters/selection.ts';
import { assertLettersShown, whoami } from '../../operations/dead-letters/transaction.ts';
import type { Load } from '../load.ts';
import { print } from '../output.ts';
import { formatTable } from '../table.ts';
import { type FilterOptions, isEmpty, selectionOf, withFilters } from './options.ts';
import { reporter } from './reporter.ts';

type CloseOptions = FilterOptions & {
  all?: boolean;
  parked?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  by: string;
  reason?: string;
  json?: boolean;
};

const common = `
Name dead letters by position or event id, or filter them, or both; --all stands for every open one. Without --yes
nothing is changed: it shows what would be. All is done in one transaction of Postgres, or nothing.

Left alone are those that are no longer open, those whose key is being released, and those that the progress does not
cover yet: the relay may still read them again, so try again some seconds later, with the relay running.

Exit codes: 0 all were done (--dry-run: shown) · 1 shown and not done, or some were left · 64 arguments, or there is none
of that name · 69 Postgres does not answer · 77 rights: grant outbox_operator · 78 the outbox table refuses a row
`;

const resubmitHelp = `${common}
The events are inserted into the outbox table again, in the order of their positions and with their ids, and published
after what was written before. Two people who press at once send each of them once. One that is refused again becomes a
dead letter of its new position; \`show <event id>\` lists both. Those of a parked key are left alone too: \`release\`
publishes them in their place.

Examples:
  $ outbox-relay dead-letters resubmit 000000000172f1a8.00000000 --yes
  $ outbox-relay dead-letters resubmit --code SCHEMA_MISSING --dry-run
  $ outbox-relay dead-letters resubmit --code SCHEMA_MISSING --type shop.OrderPlaced --yes`;

const discardHelp = `${common}
A discarded event is never published. A key that is parked stays so until \`release\`.

Examples:
  $ outbox-relay dead-letters discard 000000000172f1a8.00000000 --reason 'test data, OPS-17' --yes
  $ outbox-relay dead-letters discard --aggregatetype tracking --until 7d --reason 'outdated' --yes`;

export function resubmitCommand(load: Load): Command {
  return closeCommand('resubmit', load)
    .description('send dead letters through the outbox again')
    .option('--reason <text>', 'noted in the trail')
    .addHelpText('after', resubmitHelp);
}

export function discardCommand(load: Load): Command {
  return closeCommand('discard', load)
    .description('close dead letters whose events nobody needs')
    .option('--reason <text>', 'noted in the trail; --yes needs it')
    .option('--parked', 'also those that wait behind a refused event of their key')
    .addHelpText('after', discardHelp);
}

function closeCommand(action: 'resubmit' | 'discard', load: Load): Command {
  return withFilters(new Command(action).argument('[letters...]', 'positions, or ids of the events'))
    .option('--all', 'every open one')
    .option('--dry-run', 'show what would be done and change nothing')
    .option('--yes', 'do it')
    .option('--by <name>', 'who does it, for the trail', whoami())
    .option('--json', 'print one JSON object')
    .action(async (names: string[], options: CloseOptions, command: Command) => {
      const wanted = selectionOf(options, names);
      if (isEmpty(wanted) && options.all !== true)
        command.error('error: name dead letters, filter them, or give --all');
      if (action === 'discard' && options.yes === true && options.reason === undefined)
        command.error('error: say with --reason why nobody needs them');
      const selection: Selection = {
        ...wanted,
        statuses: options.parked === true ? ['open', 'parked'] : ['open'],
      };
      const { config } = load(command, ['database']);
      const isAsking = options.dryRun === true || options.yes !== true;
      const found = await look(config, selection, names, (name) =>
        command.error(`error: no dead letter ${printable(name)} of slot ${config.slot}`),
      );
      const closed = isAsking ? { ...found, done: 0 } : await run(action, config, selection, options);
      const isDone = !isAsking && closed.done === closed.open;
      print(command, options.json ? JSON.stringify(closed) : describe(action, closed, isAsking));
      if (!isDone && options.dryRun !== true) process.exitCode = exitCodes.findings;
    });
}

async function look(
  config: Config,
  selection: Selection,
  names: readonly string[],
  refuse: (name: string) => void,
): Promise<Tally> {
  const pool = createPool(config);
  try {
    for (const name of names) {
      const [letter] = await listLetters(pool, config.slot, { names: [parseLetterName(name)] }, 1);
      if (letter === undefined) await assertLettersShown(pool, config);
      if (letter === undefined) refuse(name);
    }
    const found = await tally(pool, config.slot, selection);
    await assertLettersShown(pool, config);
    return found;
  } finally {
    await pool.end();
  }
}

async function run(
  action: 'resubmit' | 'discard',
  config: Config,
  selection: Selection,
  options: CloseOptions,
): Promise<Closed> {
  const report = reporter();
  const onProgress = report.show;
  const closing = { config, selection, person: options.by, note: options.reason ?? null, onProgress };
  try {
    return await (action === 'resubmit' ? resubmit(closing) : discard(closing));
  } finally {
    report.clear();
  }
}

const pastOf = { resubmit: 'resubmitted', discard: 'discarded' } as const;

function describe(action: 'resubmit' | 'discard', closed: Closed, isAsking: boolean): string {
  const { open, done, unsettled, leftOut, withoutId, ofParkedKeys, beingReleased, byCode } = closed;
  const left: [string, number][] = [
    ['not covered by the progress yet; try again in some seconds', unsettled],
    ['of parked keys: fix or discard them, then release the key', action === 'resubmit' ? ofParkedKeys : 0],
    ['their key is being released; try again when it is', beingReleased],
    [
      'without their payload, which is too large: fix them with a smaller one',
      action === 'resubmit' ? leftOut : 0,
    ],
    ['without an event id; they can only be discarded', action === 'resubmit' ? withoutId : 0],
  ];
  return formatTable([
    [isAsking ? `would ${action}` : pastOf[action], String(isAsking ? open : done)],
    ...Object.entries(byCode).map(([code, count]) => ['', String(count), code]),
    ...(open === 0 && !left.some(([, count]) => count > 0)
      ? [['', '', 'none of them is open: see `list --status all`']]
      : []),
    ...left.filter(([, count]) => count > 0).map(([why, count]) => ['left alone', String(count), why]),
    ...(isAsking ? [['changed', '0', 'run again with --yes to do it']] : []),
  ]);
}
