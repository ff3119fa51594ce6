/** Options of every command that changes something: who does it, and why. */
import { userInfo } from 'node:os';
import type { Command } from 'commander';

export type ActorOptions = { by: string; reason?: string };

export function withActor(command: Command, reason = 'why; recorded in the audit trail'): Command {
  return command
    .option('--by <name>', 'who does it, for the audit trail', whoami())
    .option('--reason <text>', reason);
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
