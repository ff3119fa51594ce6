/** `outbox-relay recover`: a new slot in place of a lost one, and the gap closed from the outbox table. */
import { Command } from 'commander';
import { RelayError } from '../errors.ts';
import type { Load } from './load.ts';

export function recoverCommand(load: Load): Command {
  return new Command('recover')
    .summary('make a new slot in place of a lost one and publish what is missing')
    .option('--dry-run', 'show what would be done')
    .option('--json', 'print one JSON object')
    .action((_options, command: Command) => {
      load(command);
      throw new RelayError('INTERNAL', 'recover is not written yet');
    });
}
