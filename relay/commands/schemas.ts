/** `outbox-relay schemas`: the schema files of the repository, the registry, and the rows of the outbox table. */
import { Command } from 'commander';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';
import { checkCommand } from './schemas/check.ts';
import { diffCommand } from './schemas/diff.ts';
import { registerCommand } from './schemas/register.ts';
import { testCommand } from './schemas/test.ts';
import { typesCommand } from './schemas/types.ts';

const help = `
From a change of a schema to its use:
  $ outbox-relay schemas diff      what differs from the registered version
  $ outbox-relay schemas check     does the change break consumers?
  $ outbox-relay schemas test      do recent rows of the outbox table fit the change?
  $ outbox-relay schemas types     TypeScript types for the application
  $ outbox-relay schemas register  register the change`;

export function schemasCommand(load: Load): Command {
  const command = new Command('schemas')
    .description('compare, check, try out and register the schemas of the events')
    .addHelpText('after', helpText(help));
  for (const create of [checkCommand, registerCommand, diffCommand, typesCommand, testCommand])
    command.addCommand(create(load));
  return command;
}
