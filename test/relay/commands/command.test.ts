/** How the result of a run leaves a command. */
import { Command } from 'commander';
import { afterEach, expect, test } from 'vitest';
import { type Definition, define } from '../../../relay/commands/command.ts';
import { loadConfig } from '../../../relay/config/config.ts';
import { type ErrorCode, exitCodes } from '../../../relay/errors.ts';

afterEach(() => {
  process.exitCode = undefined; // the command sets it, and this process is the test's
});

const loaded = loadConfig({ env: {}, needs: [] });

async function run(definition: Definition<{ json?: boolean }>, ...args: string[]) {
  let [output, loads] = ['', 0];
  const load = () => {
    loads++;
    return loaded;
  };
  const command = new Command('try').argument('[names...]').option('--json').exitOverride();
  define(command, load, definition).configureOutput({
    writeOut: (text) => (output += text),
    writeErr: () => {},
  });
  await command.parseAsync(args, { from: 'user' });
  return { output, loads, exitCode: process.exitCode };
}

test('people read the text, and programs the data, in which LSNs are text', async () => {
  const outcome = { data: { lsn: 0x16b374d848n }, text: 'at 16/B374D848' };
  const definition = { run: async () => outcome };
  expect((await run(definition)).output).toBe('at 16/B374D848\n');
  expect((await run(definition, '--json')).output).toBe('{"lsn":"16/B374D848"}\n');
});

test('data is for a command below one that has --json too, wherever it stands', async () => {
  for (const args of [
    ['list', '--json'],
    ['--json', 'list'],
  ]) {
    let output = '';
    const list = new Command('list').option('--json').exitOverride();
    define(list, () => loaded, { run: async () => ({ data: [1], text: 'one' }) }).configureOutput({
      writeOut: (text) => (output += text),
    });
    const above = new Command('try').option('--json').exitOverride().addCommand(list);
    define(above, () => loaded, { run: async () => ({}) });
    await above.parseAsync(args, { from: 'user' });
    expect(output).toBe('[1]\n');
  }
});

test('findings end with 1, and nothing else does', async () => {
  expect((await run({ run: async () => ({ hasFindings: false }) })).exitCode).toBeUndefined();
  expect((await run({ run: async () => ({ hasFindings: true }) })).exitCode).toBe(exitCodes.findings);
});

test('what could not be read ends with the exit code of why, whatever was found', async () => {
  const codeOf = async (...unread: ErrorCode[]) => {
    const codes = [];
    for (const hasFindings of [false, true]) {
      codes.push((await run({ run: async () => ({ hasFindings, unread }) })).exitCode);
      process.exitCode = undefined;
    }
    return codes;
  };
  for (const server of ['POSTGRES', 'KAFKA', 'REGISTRY'] as const) {
    expect(await codeOf(`${server}_UNAUTHORIZED`)).toEqual(Array(2).fill(exitCodes.unauthorized));
    expect(await codeOf(`${server}_UNAVAILABLE`)).toEqual(Array(2).fill(exitCodes.unavailable));
  }
  // An outage may be over the next time, and a refusal is not.
  expect(await codeOf('KAFKA_UNAVAILABLE', 'POSTGRES_UNAUTHORIZED')).toEqual([77, 77]);
  expect(await codeOf('KAFKA_UNAVAILABLE', 'DATABASE_MISSING')).toEqual([78, 78]);
  expect(await codeOf()).toEqual([undefined, exitCodes.findings]);
});

test('a run gets its arguments one by one, and the configuration once it asks for it', async () => {
  const seen: unknown[] = [];
  const definition: Definition<object> = {
    async run(call) {
      if (call.args.length > 0) seen.push(call.args, call.config.slot.name, call.provenance);
      return {};
    },
  };
  expect((await run(definition)).loads).toBe(0);
  expect((await run(definition, 'a', 'b')).loads).toBe(1);
  expect(seen).toEqual([['a', 'b'], loaded.config.slot.name, loaded.provenance]);
});

test('a rule that is broken ends the command before its run', async () => {
  let runs = 0;
  const definition: Definition<object> = {
    validate: (_, names) => (names.length === 0 ? 'name one' : undefined),
    async run() {
      runs++;
      return {};
    },
  };
  await expect(run(definition)).rejects.toMatchObject({ message: 'error: name one' });
  expect(runs).toBe(0);
  await run(definition, 'a');
  expect(runs).toBe(1);
});
