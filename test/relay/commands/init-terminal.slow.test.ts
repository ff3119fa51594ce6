/** What a terminal shows while `init` asks: a pseudo terminal, keys one by one, and no character of a password. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inheritedEnv } from '../../../harness/relay-process.ts';

const entry = path.join(import.meta.dirname, '../../../bin/outbox-relay.js');
/** None of its characters is in what `init` says itself. */
const secret = 'QZXJ%24QZ';
/** With a character that looks like its end. */
const raw = 'QZ@XJQZ';
const [left, up, backspace] = ['\x1b[D', '\x1b[A', '\x7f'];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'init-terminal-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Answers each question when it is asked. @returns what came on the terminal, without escape sequences */
async function answer(answers: readonly (readonly [question: string, keys: string])[]): Promise<string> {
  const command = `'${process.execPath}' --no-warnings '${entry}' init`;
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    cwd: folder,
    env: { ...inheritedEnv(), TERM: 'xterm', COLUMNS: '200' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let shown = '';
  let from = 0;
  const waiting = [...answers];
  for await (const chunk of child.stdout) {
    shown += chunk;
    const [next] = waiting;
    if (next === undefined || !shown.slice(from).includes(next[0])) continue;
    from = shown.length;
    waiting.shift();
    child.stdin.write(next[1]);
    if (waiting.length === 0) child.stdin.end();
  }
  expect(waiting).toEqual([]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what a terminal acts on
  return shown.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '');
}

test('no character of a password appears while it is typed, edited or called up again, or afterwards', async () => {
  const url = `postgres://ada:${secret}@db.example:5432/app`;
  const shown = await answer([
    ['Name of the replication slot', '\r'],
    // Wrong, with a space; then the line before once more, without it, and changed within the password and back.
    ['URL of Postgres', `${url} x\r`],
    ['URL of Postgres', `${up}${backspace}${backspace}${left.repeat(22)}Q${backspace}\r`],
    ['Brokers of Kafka', `ada:${secret}@kafka.example\r`],
    ['Brokers of Kafka', 'kafka.example:9092\r'],
    // Refused, since other programs end the password at its @.
    ['URL of the schema registry', `http://bert:${raw}@registry.example:8081\r`],
    ['URL of the schema registry', `http://bert:${raw.replace('@', '%40')}@registry.example:8081\r`],
    // Where no URL belongs.
    ['Aggregate type', `${url}\r`],
    ['Aggregate type', `bert:${raw}@db\r`],
    ['Aggregate type', '\r'],
    ['Name of the event', '\r'],
    ['Its namespace', '\r'],
  ]);
  expect(shown).not.toMatch(/[QZXJ]/);
  expect(shown).toContain('postgres://ada:******');
  // In place of the line with stars, with port and path.
  expect(shown).toContain('): postgres://ada:***@db.example:5432/app');
  expect(shown).toContain('): http://bert:***@registry.example:8081');
  expect(shown).toContain('write %40 for it');
  expect(shown).toContain('not a URL');
  // To run the relay, and in the other terminal.
  for (const line of [
    "$ export DATABASE_URL='postgres://ada:***@db.example:5432/app'  # with the password for ***",
    "$ export SCHEMA_REGISTRY_URL='http://bert:***@registry.example:8081'  # with the password for ***",
  ])
    expect(shown.split(line)).toHaveLength(3);
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((each) =>
    each.isFile(),
  );
  expect(files.length).toBeGreaterThan(4);
  for (const { parentPath, name } of files)
    expect(await readFile(path.join(parentPath, name), 'utf8'), name).not.toMatch(/QZ(XJ|@)/);
  const settings = await readFile(path.join(folder, 'relay.yaml'), 'utf8');
  expect(settings).toContain('kafka.example:9092');
});
