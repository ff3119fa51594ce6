/** `outbox-relay dead-letters undo`: put the payload of before the last fix back. */
import { Command } from 'commander';
import { findUndoable, undoFix } from '../../operations/dead-letters/undo.ts';
import { type ActorOptions, withActor } from '../actor.ts';
import { type Call, define } from '../command.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';

type UndoOptions = ActorOptions & { json?: boolean };

const help = `
Puts back the payload that the last fix replaced, at once, while the dead letter is open and its key is not being released. The trail
records it as a fix, so a second undo brings the fix back. A payload that was left out because it is too large cannot come
back.

Exit codes: 0 done · 1 not done: somebody else has closed or changed it · 64 there is no such open dead letter, or nothing
to undo · 69 Postgres is unreachable · 77 access denied: grant outbox_operator

Example:
  $ outbox-relay dead-letters undo 000000000172f1a8.00000000 --reason 'wrong patch, OPS-17'`;

export function undoCommand(load: Load): Command {
  const command = new Command('undo')
    .description('put the payload of before the last fix back')
    .argument('<letter>', 'position, or id of the event');
  withActor(command)
    .option('--json', 'print one JSON object {position, isUndone, message}')
    .addHelpText('after', helpText(help));
  return define<UndoOptions>(command, load, { needs: ['database'], run });
}

async function run({ config, options, args }: Call<UndoOptions>) {
  const { position, fix } = await findUndoable(config, args[0]!);
  const actor = { person: options.by, reason: options.reason ?? null };
  const outcome = await undoFix(config, position, fix, actor);
  const text = `${outcome.isUndone ? 'undone' : 'not undone'}: ${outcome.message}`;
  return { data: outcome, text, hasFindings: !outcome.isUndone };
}
