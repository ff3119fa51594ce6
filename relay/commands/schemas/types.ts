/** `outbox-relay schemas types`: TypeScript types of the payloads, for the application that writes the events. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { exitCodes, RelayError } from '../../errors.ts';
import { readSchemaFiles } from '../../operations/schemas/files.ts';
import { type RecordNode, readModel } from '../../operations/schemas/model.ts';
import { generateTypes } from '../../operations/schemas/types.ts';
import type { Load } from '../load.ts';

type TypesOptions = { out?: string; check?: boolean; json?: boolean };

const help = `
One interface a record, with the JSON that the relay accepts: decimals and times as text or number, bytes as
schemas.bytes says, a field with a default may be left out. EventTypes maps each event type to its payload, AggregateTypes
each aggregatetype to its event types, OutboxEvent is a row in which the type tells the payload. Needs no server.

Exit codes: 0 done · 1 with --check, the file is missing or out of date · 64 a schema is not valid, or no --out for
--check

Examples:
  $ outbox-relay schemas types --out src/events.ts
  $ outbox-relay schemas types --out src/events.ts --check`;

export function schemasTypesCommand(load: Load): Command {
  return new Command('types')
    .description('write TypeScript types of the payloads')
    .option('--out <file>', 'write this file instead of stdout')
    .option('--check', 'change nothing; exit 1 when the file of --out is out of date')
    .option('--json', 'print one JSON object {file, status, text}; the text only without --out')
    .addHelpText('after', help)
    .action(async (options: TypesOptions, command: Command) => {
      const { config } = load(command, []);
      const print = (text: string) => command.configureOutput().writeOut?.(text);
      if (options.check && options.out === undefined)
        throw new RelayError('CONFIG_INVALID', '--check needs --out <file>, the file to compare');
      const files = await readSchemaFiles(config);
      const typed = files
        .filter(({ isEvent }) => isEvent)
        .map(({ file, schemaText, usedTexts }) => ({
          aggregatetype: file.split('/')[0]!,
          // Only records are events.
          root: readModel(schemaText, usedTexts) as RecordNode,
        }));
      const text = generateTypes(typed, config.schemas.bytes);
      if (options.out === undefined)
        return void print(
          options.json ? `${JSON.stringify({ file: null, status: 'printed', text })}\n` : text,
        );
      const status = await bringUpToDate(options.out, text, options.check === true);
      print(
        options.json
          ? `${JSON.stringify({ file: options.out, status })}\n`
          : `${options.out}: ${status}\n${status === 'out of date' ? `  Run \`outbox-relay schemas types --out ${options.out}\`.\n` : ''}`,
      );
      if (status === 'out of date') process.exitCode = exitCodes.findings;
    });
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
