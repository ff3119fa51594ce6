/**
 * Does what "Try it" of docs/guides/dead-letters.md says, word by word, in a folder that `init` wrote: the whole block is
 * given to a shell at once, as somebody does who pastes it, before the relay streams.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inheritedEnv, RelayProcess, relayEnv } from '../../../harness/relay-process.ts';
import { localAddresses } from '../../../relay/operations/init/files.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { runCli } from '../commands/cli.ts';

const run = promisify(execFile);
const root = path.join(import.meta.dirname, '../../..');
const guide = await readFile(path.join(root, 'docs/guides/dead-letters.md'), 'utf8');
const [, block = ''] = /## Try it\n.*?```console\n(.*?)```/s.exec(guide) ?? [];
const commands = [...block.matchAll(/^\$ (.*)$/gm)].map(([, command]) => command!);

const folder = path.join('/tmp', unique('dead-letters-guide'));
let database: TestDatabase;
let relay: RelayProcess | undefined;
let env: Record<string, string>;

beforeAll(async () => {
  const { brokers, registryUrl } = await servers();
  database = await createDatabase();
  const topics = unique('guide');
  env = {
    ...inheritedEnv(),
    ...relayEnv(
      { databaseUrl: database.url, brokers, registryUrl },
      {
        SLOT: unique('slot'),
        TOPICS_TEMPLATE: `${topics}.{aggregatetype}`,
        TOPICS_ALLOW: `${topics}.*`,
        HTTP_PORT: 0,
      },
    ),
  };
  await mkdir(path.join(folder, 'bin'), { recursive: true });
  // What npm would install, as npx finds it.
  const npx = path.join(folder, 'bin/npx');
  await writeFile(
    npx,
    `#!/bin/sh\nshift\nexec '${process.execPath}' '${path.join(root, 'bin/outbox-relay.js')}' "$@"\n`,
  );
  await chmod(npx, 0o755);
  for (const words of [['init', '--yes'], ['migrate'], ['schemas', 'register']]) {
    const { code, stderr } = await runCli(words, env, folder);
    expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: '' });
  }
}, 120_000);

afterAll(async () => {
  await relay?.stop();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

test('the lines of the page, pasted at once, correct a dead letter and publish it', async () => {
  expect(commands[0]).toBe(`export DATABASE_URL='${localAddresses.databaseUrl}'`);
  const script = commands.join('\n').replace(localAddresses.databaseUrl, database.url);
  const pasted = run('bash', ['-c', script], {
    cwd: folder,
    env: { ...env, PATH: `${path.join(folder, 'bin')}:${process.env.PATH}` },
  });
  // The shell waits for it.
  relay = new RelayProcess({ env });
  await relay.streaming();
  const { stdout } = await pasted;
  const shown = stdout.split('\n').filter((line) => line !== '');
  expect(shown.find((line) => line.includes('PAYLOAD_INVALID'))).toContain(
    'app.order.OrderPlaced  42   $.id  expected uuid, found string that is not a UUID',
  );
  expect(stdout).toMatch(/^resubmitted +1$/m);
  // What the page shows is what was printed, but for the position, the id and the time.
  for (const line of block.split('\n').filter((each) => each !== '' && !each.startsWith('$ '))) {
    const masked = (text: string) =>
      text.replace(/^[0-9a-f]{16}\.[0-9a-f]{8} {2}[0-9a-f-]{36}/, '').replace(/\d{4}-\S+Z/, '');
    expect(shown.map(masked)).toContain(masked(line));
  }
  await expect
    .poll(() => database.pool.query('select status from outbox.dead_letter').then(({ rows }) => rows))
    .toEqual([{ status: 'resubmitted' }]);
  const { rows } = await database.pool.query(
    'select payload from outbox.event order by created_at desc limit 1',
  );
  expect(rows[0]?.payload).toMatchObject({ id: '6f1c2c4e-7f0e-4f0a-9c53-2a5d1c6f9b10' });
}, 180_000);
