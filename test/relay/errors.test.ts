import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createProgram, documentedCommands } from '../../relay/commands/program.ts';
import {
  adoptions,
  asRelayError,
  type ErrorCode,
  errorTable,
  hints,
  RelayError,
} from '../../relay/errors.ts';

const codes = Object.keys(errorTable) as ErrorCode[];
const program = await createProgram();
const root = join(import.meta.dirname, '../../relay');
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && file !== 'errors.ts')
  .map((file) => readFileSync(join(root, file), 'utf8'));

describe.each(codes)('%s', (code) => {
  const entry = errorTable[code];
  const hint = hints[code];

  test('is a code that some place uses', () => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(sources.some((text) => text.includes(`'${code}'`))).toBe(true);
  });

  test('exits with what its class allows', () => {
    if (entry.class === 'retry') expect(entry.exit).toBe('unavailable');
    else if (entry.class === 'quarantine') expect(entry.exit).toBe('stopped');
    else expect(entry.exit).not.toBe('unavailable');
    // `schemas register` tells these of one file, and registers the others.
    const isOfOneFile = code === 'SCHEMA_INCOMPATIBLE' || code === 'REGISTRY_READ_ONLY';
    expect(entry.exit === 'findings').toBe(isOfOneFile);
  });

  test('is retried if it is an outage, and blames a server', () => {
    if (!entry.isOutage) return;
    expect(entry.class).toBe('retry');
    expect(code).toBe(`${entry.dependency.toUpperCase()}_UNAVAILABLE`);
  });

  test('stops the relay if a person has to recover or adopt, and says with which command', () => {
    const option = entry.recover === 'always' ? '' : ` ${entry.recover}`;
    if (entry.recover !== undefined) expect(hint).toContain(`\`outbox-relay recover${option}\``);
    else expect(hint).not.toContain('`outbox-relay recover');
    for (const [, adoption] of hint.matchAll(/`outbox-relay adopt ([a-z-]+)`/g))
      expect(adoption).toBe(entry.adopt);
    if (entry.recover !== undefined || entry.adopt !== undefined) expect(entry.class).toBe('stop');
  });

  test('has a hint of whole sentences that names only commands that exist', () => {
    expect(hint).toMatch(/^[A-Z].*\.$/s);
    for (const [, command] of hint.matchAll(/`outbox-relay (\w+)/g))
      expect(documentedCommands).toContain(command);
  });
});

test.each(adoptions)('adopt --help names the codes that %s accepts', (adoption) => {
  const paragraph = new RegExp(`^  ${adoption} .*(?:\\n {5}.*)*`, 'm').exec(helpOf('adopt'))?.[0] ?? '';
  const accepted = codes.filter((code) => errorTable[code].adopt === adoption);
  expect(accepted).not.toEqual([]);
  for (const code of codes) expect(paragraph.includes(code), code).toBe(accepted.includes(code));
});

test('recover --help names the codes that it repairs', () => {
  const help = helpOf('recover');
  const repaired = codes.filter((code) => errorTable[code].recover === 'always');
  expect(repaired.filter((code) => !help.includes(code))).toEqual([]);
});

function helpOf(name: string): string {
  let help = '';
  const command = program.commands.find((each) => each.name() === name);
  command?.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  return help;
}

test('each server has one code for its outage', () => {
  const outages = codes.filter((code) => errorTable[code].isOutage);
  expect(outages.map((code) => errorTable[code].dependency).sort()).toEqual([
    'kafka',
    'postgres',
    'registry',
  ]);
});

test('a relay error reads its class and hint from the table and keeps its cause', () => {
  const cause = new Error('below');
  const error = new RelayError('SLOT_MISSING', 'gone', { cause });
  expect(error).toMatchObject({ class: 'stop', hint: hints.SLOT_MISSING, cause });
});

test('an unexpected error becomes INTERNAL, which stops, and keeps what it was', () => {
  const cause = new TypeError('x is undefined');
  expect(asRelayError(cause)).toMatchObject({ code: 'INTERNAL', class: 'stop', cause });
  expect(asRelayError('text')).toMatchObject({ code: 'INTERNAL', message: 'text' });
});

test('a relay error stays itself', () => {
  const error = new RelayError('SLOT_IN_USE', 'taken');
  expect(asRelayError(error)).toBe(error);
});
