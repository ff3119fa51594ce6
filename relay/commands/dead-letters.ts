/** `outbox-relay dead-letters`: what people do with events that could not be published. */
import { Command } from 'commander';
import { fixCommand } from './dead-letters/fix.ts';
import { groupsCommand } from './dead-letters/groups.ts';
import { listCommand } from './dead-letters/list.ts';
import { purgeCommand } from './dead-letters/purge.ts';
import { releaseCommand } from './dead-letters/release-keys.ts';
import { discardCommand, resubmitCommand } from './dead-letters/resubmit-discard.ts';
import { showCommand } from './dead-letters/show.ts';
import { tryCommand } from './dead-letters/try.ts';
import { undoCommand } from './dead-letters/undo.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';

const help = `
What to do with an event that could not be published:
  $ outbox-relay dead-letters groups                               see the causes, and how many each has
  $ outbox-relay dead-letters list                                 see which events, and why
  $ outbox-relay dead-letters show <position>                      see everything about one, with its payload
  $ outbox-relay dead-letters try                                  see how many would be published now
  $ outbox-relay dead-letters fix <position>                       correct its payload in $EDITOR
  $ outbox-relay dead-letters resubmit <position> --yes            publish it
  $ outbox-relay dead-letters discard <position> --reason … --yes  or close it for good
  $ outbox-relay dead-letters release <position> --yes             if its key is parked: publish it and the events behind it

The role of DATABASE_URL needs the rights of outbox_operator, which \`outbox-relay migrate --roles\` creates. Only dead
letters of the setting \`slot\` are visible. The audit trail in outbox.dead_letter_action records who did what, and why.

Exit codes: 0 done · 1 shown but not done, or some skipped; the --help of each command has details · 64 invalid
arguments or configuration · 69 a server is unreachable · 77 access denied: grant outbox_operator`;

export function deadLettersCommand(load: Load): Command {
  const command = new Command('dead-letters')
    .description('find, fix, resubmit, discard or release events that could not be published')
    .addHelpText('after', helpText(help));
  for (const create of [
    groupsCommand,
    listCommand,
    showCommand,
    tryCommand,
    fixCommand,
    undoCommand,
    resubmitCommand,
    discardCommand,
    releaseCommand,
    purgeCommand,
  ])
    command.addCommand(create(load));
  return command;
}
