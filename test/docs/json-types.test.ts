/** The types that the page of commands names for `--json`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from '../../relay/commands/program.ts';

const page = join(import.meta.dirname, '../../docs/reference/commands.md');

test('each type is exported by the file that it links to', () => {
  const links = [...readFileSync(page, 'utf8').matchAll(/\[([A-Z]\w+)\]\((\S+\.ts)\)/g)];
  expect(links.length).toBeGreaterThan(10);
  for (const [, name, file] of links)
    expect(readFileSync(join(page, '..', file!), 'utf8')).toMatch(new RegExp(`export type ${name}\\b`));
});

test('each command with --json has its line in the table', async () => {
  const text = readFileSync(page, 'utf8');
  const [, table = ''] = /^## JSON$(.*?)^## /ms.exec(text) ?? [];
  const documented = [...table.matchAll(/^\| (`.*?) \| /gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
  );
  const named = (command: Command, above: string): string[] => {
    const name = `${above}${command.name()}`;
    const hasJson = command.options.some(({ long }) => long === '--json');
    return [...(hasJson ? [name] : []), ...command.commands.flatMap((each) => named(each, `${name} `))];
  };
  const commands = (await createProgram()).commands.flatMap((command) => named(command, ''));
  expect(documented.toSorted()).toEqual(commands.toSorted());
});

test('the page has the help of each command that takes options, also of one with commands below it', () => {
  const text = readFileSync(page, 'utf8');
  for (const name of ['replay', 'replay list', 'replay show <id>'])
    expect(text).toContain(`\n## \`outbox-relay ${name}\`\n`);
  expect(text).toContain('(default: your user name)');
});
