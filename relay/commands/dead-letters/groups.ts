/** `outbox-relay dead-letters groups`: which causes there are, and how many dead letters each has. */
import { Command } from 'commander';
import { groupDeadLetters, type LetterGroups } from '../../operations/dead-letters/groups.ts';
import { type LetterStatus, letterStatuses } from '../../operations/dead-letters/letter.ts';
import { type Call, define } from '../command.ts';
import { count, counted } from '../format.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';
import { type FilterOptions, selectionOf, statusesOf, withFilters } from './options.ts';
import { cellOf, screenNow, tableOf } from './table.ts';

type GroupsOptions = FilterOptions & { status: LetterStatus[]; json?: boolean };

const help = `
Dead letters with one code, type, topic and path are one group, the largest first. A path has [*] for the index of an array.
The message is that of the oldest one, which the position names. At most 500 groups are shown; the total counts all.

Exit codes: 0 shown, even if there is none · 64 invalid arguments or configuration · 69 Postgres is unreachable · 77 access
denied: grant outbox_operator

Examples:
  $ outbox-relay dead-letters groups
  $ outbox-relay dead-letters groups --since 2h --json | jq '.groups[0]'`;

export function groupsCommand(load: Load): Command {
  const command = withFilters(
    new Command('groups').description('show why there are dead letters, and how many'),
  )
    .option(
      '--status <list>',
      `any of ${letterStatuses.join(', ')}, separated by commas; or all`,
      statusesOf(),
      ['open'] as LetterStatus[],
    )
    .option('--json', 'print one JSON object')
    .addHelpText('after', helpText(help));
  return define<GroupsOptions>(command, load, { needs: ['database'], run });
}

async function run({ config, options }: Call<GroupsOptions>) {
  const groups = await groupDeadLetters(config, { ...selectionOf(options), statuses: options.status });
  return { data: groups, text: describe(groups) };
}

function describe({ total, groups, groupsLeftOut }: LetterGroups): string {
  if (total === 0) return 'no dead letters';
  const head = ['COUNT', 'CODE', 'TYPE', 'TOPIC', 'PATH', 'FIRST SEEN', 'LAST SEEN', 'OLDEST', 'MESSAGE'];
  const screen = screenNow();
  const rows = groups.map((group) => [
    count(group.count),
    group.code,
    cellOf(group.type ?? '', screen),
    group.topic ?? '',
    cellOf(group.path ?? '', screen),
    `${group.firstSeen.slice(0, 19)}Z`,
    `${group.lastSeen.slice(0, 19)}Z`,
    group.oldestPosition,
    group.message,
  ]);
  const left = groupsLeftOut === 0 ? '' : `; ${counted(groupsLeftOut, 'smaller group')} not shown`;
  return `${tableOf([head, ...rows], screen)}\n${counted(total, 'dead letter')}${left}`;
}
