/** Options of every command that changes something: who does it, and why. */
import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';

export type ActorOptions = { by: string; reason?: string };

export function withActor(command: Command, reason = 'why; recorded in the audit trail'): Command {
  return command
    .addOption(
      new Option('--by <name>', 'who does it, for the audit trail')
        .argParser(person)
        .default(whoami(), 'your user name'),
    )
    .option('--reason <text>', reason, upTo(reasonMax));
}

const personMax = 200;
/** It is shown on one screen, in /readyz and in the log. */
const reasonMax = 2_000;

function upTo(max: number): (value: string) => string {
  return (value) => {
    if (value.length > max) throw new InvalidArgumentError(`Expected at most ${max} characters.`);
    return value;
  };
}

function person(value: string): string {
  if (value.trim() === '') throw new InvalidArgumentError('Expected a name.');
  return upTo(personMax)(value);
}

/** The login on this machine; the audit trail also has the role of Postgres. */
function whoami(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a number that has no name.
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}

/** The options that a preview lacks of the command that does it. */
export const yesWith = (needsReason: boolean): string => (needsReason ? "--yes and --reason '…'" : '--yes');
