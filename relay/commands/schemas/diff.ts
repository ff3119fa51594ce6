/** `outbox-relay schemas diff`: what differs between each file and the latest version in the registry. */
import { isDeepStrictEqual } from 'node:util';
import { Command } from 'commander';
import { RegistryClient } from '../../encode/registry/registry-client.ts';
import { exitCodes } from '../../errors.ts';
import { type Difference, diffSchemas } from '../../operations/schemas/diff.ts';
import { readSchemaFiles, type SchemaFile } from '../../operations/schemas/files.ts';
import { readModel } from '../../operations/schemas/model.ts';
import { compactJson } from '../../operations/schemas/schema-text.ts';
import type { Load } from '../load.ts';

type DiffOptions = { json?: boolean };

type FileDiff = {
  readonly file: string;
  readonly subject: string;
  /** `unregistered`: the subject has no version. `rewritten`: the same schema in other words, which a registry may take for another version. */
  readonly status: 'same' | 'changed' | 'rewritten' | 'unregistered';
  readonly differences: readonly Difference[];
};

const help = `
Compares field by field: added, removed, type, default, doc, aliases, symbols, order. Says nothing about whether the
change may be made: that is \`outbox-relay schemas check\`.

Exit codes: 0 every file is the latest version of its subject · 1 something differs or is not registered · 64 a file is
no valid schema · 69 the registry does not answer · 77 it refuses the credentials ·
78 a registered version is no valid schema

Examples:
  $ outbox-relay schemas diff
  $ outbox-relay schemas diff --json | jq '.schemas[] | select(.status != "same")'`;

export function schemasDiffCommand(load: Load): Command {
  return new Command('diff')
    .description('show what differs between the schema files and the registry')
    .option('--json', 'print one JSON object {ok, schemas: [{file, subject, status, differences}]}')
    .addHelpText('after', help)
    .action(async (options: DiffOptions, command: Command) => {
      const { config } = load(command, ['registry']);
      const files = await readSchemaFiles(config);
      const client = new RegistryClient(config.registry);
      const schemas: FileDiff[] = [];
      for (const file of files) schemas.push(await diffFile(client, file));
      const isSame = schemas.every(({ status }) => status === 'same');
      const text = options.json
        ? JSON.stringify({ ok: isSame, schemas }, null, 2)
        : schemas.map(describe).join('\n') || 'no .avsc files';
      command.configureOutput().writeOut?.(`${text}\n`);
      if (!isSame) process.exitCode = exitCodes.findings;
    });
}

async function diffFile(
  client: RegistryClient,
  { file, subject, schemaText, usedTexts }: SchemaFile,
): Promise<FileDiff> {
  const latest = await client.latest(subject);
  if (latest === undefined) return { file, subject, status: 'unregistered', differences: [] };
  const registered = [...latest.references, latest.schemaText].map(compactJson);
  if (isDeepStrictEqual(registered.toSorted(), [...usedTexts, schemaText].toSorted()))
    return { file, subject, status: 'same', differences: [] };
  const differences = diffSchemas(
    readModel(latest.schemaText, latest.references),
    readModel(schemaText, usedTexts),
  );
  return { file, subject, status: differences.length > 0 ? 'changed' : 'rewritten', differences };
}

function describe({ file, subject, status, differences }: FileDiff): string {
  return [`${file}  ${subject}: ${status}`, ...differences.map(describeDifference)].join('\n');
}

function describeDifference({ path, kind, before, after }: Difference): string {
  if (kind === 'added') return `  + ${path}: ${after}`;
  if (kind === 'removed') return `  - ${path}: ${before}`;
  return `  ~ ${path} ${kind}: ${before ?? 'none'} → ${after ?? 'none'}`;
}
