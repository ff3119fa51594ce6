/** `outbox-relay schemas types`: TypeScript types of the events, for the application that writes them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { RelayError } from '../../errors.ts';
import { generateEventTypes } from '../../operations/schemas/event-types.ts';
import { type Call, define } from '../command.ts';
import { helpText } from '../help-text.ts';
import type { Load } from '../load.ts';

type TypesOptions = { out?: string; check?: boolean; json?: boolean };

const help = `
Needs no server. Without --out it prints the types. With --out it overwrites the file.

Each record becomes an interface for the JSON that the relay accepts: decimals and times are text or numbers, bytes are
as schemas.bytes says, and fields with a default are optional. Three more types connect the interfaces: EventTypes maps
each event type to its payload, AggregateTypes maps each aggregatetype to its event types, and OutboxEvent is a row
whose type determines its payload.

Exit codes: 0 done · 1 with --check: the file is missing or out of date · 64 a schema is invalid, or invalid arguments

Examples:
  $ outbox-relay schemas types --out src/events.ts
  $ outbox-relay schemas types --out src/events.ts --check`;

export function typesCommand(load: Load): Command {
  const command = new Command('types')
    .description('generate TypeScript types of the events')
    .option('--out <file>', 'write the types to this file')
    .option('--check', 'change nothing; exit with 1 if the file of --out is out of date')
    .option('--json', 'print one JSON object {file, status, text}; text only without --out')
    .addHelpText('after', helpText(help));
  return define<TypesOptions>(command, load, { needs: [], validate, run });
}

function validate({ check, out }: TypesOptions): string | undefined {
  return check && out === undefined ? '--check needs --out <file>, the file to compare' : undefined;
}

async function run({ config, options: { out, check } }: Call<TypesOptions>) {
  const text = await generateEventTypes(config);
  // Its last line end is the one that is printed after it.
  if (out === undefined)
    return { data: { file: null, status: 'printed', text }, text: text.replace(/\n$/, '') };
  const status = await bringUpToDate(out, text, check === true);
  const isOutdated = status === 'out of date';
  const next = isOutdated ? `\n  Run \`outbox-relay schemas types --out ${out}\`.` : '';
  return { data: { file: out, status }, text: `${out}: ${status}${next}`, hasFindings: isOutdated };
}

async function bringUpToDate(
  file: string,
  text: string,
  isCheck: boolean,
): Promise<'up to date' | 'out of date' | 'written'> {
  const present = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new RelayError('CONFIG_INVALID', `${file} cannot be read: ${error.message}`, { cause: error });
  });
  // Git may have put CRLF there.
  if (present?.replaceAll('\r\n', '\n') === text) return 'up to date';
  if (isCheck) return 'out of date';
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  } catch (cause) {
    throw new RelayError('CONFIG_INVALID', `${file} cannot be written`, { cause });
  }
  return 'written';
}
