/** The unit of the guide: systemd knows each line of it, and its numbers go with those of the relay. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { loadConfig } from '../../relay/config/config.ts';

const page = await readFile(join(import.meta.dirname, '../../docs/guides/systemd.md'), 'utf8');
const [, indented] = /```ini\n(.*?)\n *```/s.exec(page)!;
const unit = indented!.replace(/^ {3}/gm, '');
const lineOf = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1];

test('systemd accepts the unit of the guide', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'systemd-'));
  const verify = async (text: string) => {
    const file = join(folder, 'outbox-relay.service');
    // The program of the guide may be elsewhere on this machine.
    await writeFile(file, text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
    return promisify(execFile)('systemd-analyze', ['verify', file]);
  };
  try {
    const { stderr } = await verify(unit).catch((error) => {
      if (error.code === 'ENOENT') context.skip('systemd-analyze is not installed');
      throw error;
    });
    expect(stderr).toBe('');
    // It says so of a line that it does not know, and exits with 0.
    expect((await verify(unit.replace('RestartSec', 'RestartAfter'))).stderr).toContain('RestartAfter');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the unit waits longer than the relay takes to stop, and does not repeat what a restart does not help', () => {
  const { config } = loadConfig({ env: {}, needs: [] });
  expect(Number(lineOf('TimeoutStopSec')) * 1_000).toBeGreaterThan(config.shutdownMs);
  expect(lineOf('Restart')).toBe('always');
  expect(lineOf('RestartPreventExitStatus')).toBe('64 77 78');
});
