/** `outbox-relay dead-letters`: what people do with events that could not be published. */
import { Command } from 'commander';
import { discardCommand, resubmitCommand } from './dead-letters/close.ts';
import { fixCommand } from './dead-letters/fix.ts';
import { listCommand } from './dead-letters/list.ts';
import { purgeCommand } from './dead-letters/purge.ts';
import { releaseCommand } from './dead-letters/release.ts';
import { showCommand } from './dead-letters/show.ts';
import type { Load } from './load.ts';

const help = `
The way of an event that could not be published:
  $ outbox-relay dead-letters list                                 which, and why
  $ outbox-relay dead-letters show <position>                      all of one, with its payload
  $ outbox-relay dead-letters fix <position>                       correct it in $EDITOR
  $ outbox-relay dead-letters resubmit <position> --yes            publish it, once
  $ outbox-relay dead-letters discard <position> --reason … --yes  or close it for good
  $ outbox-relay dead-letters release <position> --yes             where its key is parked: publish it and what waits behind

The role of DATABASE_URL needs the rights of outbox_operator (migrations/roles.sql). Who did what is kept in
outbox.dead_letter_action. Only the dead letters of \`slot\` are looked at.

Exit codes: 0 done · 1 it ran and something was left; each command's --help says what · others as for every command`;

export function deadLettersCommand(load: Load): Command {
  const command = new Command('dead-letters')
    .description('find, correct, resubmit, discard or release events that could not be published')
    .addHelpText('after', help);
  for (const create of [
    listCommand,
    showCommand,
    fixCommand,
    resubmitCommand,
    discardCommand,
    releaseCommand,
    purgeCommand,
  ])
    command.addCommand(create(load));
  return command;
}
