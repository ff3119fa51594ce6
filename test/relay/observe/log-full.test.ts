/** The log is no reason to stop publishing. */
import { spawnSync } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const logModule = fileURLToPath(new URL('../../../relay/observe/log.ts', import.meta.url));

it.runIf(existsSync('/dev/full'))('goes on when nothing can be written to its log', () => {
  const program = `
    const { createLogger } = await import(${JSON.stringify(logModule)});
    const log = createLogger('info');
    for (let line = 0; line < 3; line++) log.info('lost');
    process.stderr.write('alive');`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: 'alive' });
});
