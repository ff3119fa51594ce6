import { join } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import { cacheFolder } from './stack/cache.ts';
import LongestFirst, { longest } from './test/support/longest-first.ts';

/**
 * What a test needs, as its name says: `slot.pg.test.ts` needs Postgres, `code.slow.test.ts` seconds of a whole core. One
 * that needs nothing is `slot.test.ts`.
 */
const servers = ['pg', 'kafka', 'registry', 'stack', 'java', 'browser', 'prometheus'];
const named = (needs: readonly string[]) => `test/**/*.{${needs.join(',')}}.test.ts`;

const shared = {
  // For the processes that tests start, not for their own.
  env: { NODE_COMPILE_CACHE: join(cacheFolder(), 'compiled') },
  setupFiles: ['test/support/kafkajs-warnings.ts', 'test/support/leaked-handles.ts'],
  // For what hangs: ten times what the slowest takes on a quiet machine, so that a busy one does not fail.
  testTimeout: 240_000,
  // The first file that needs the servers waits for their start.
  hookTimeout: 180_000,
  teardownTimeout: 30_000,
  // What is awaited comes within a second on a quiet machine, which is Vitest's default.
  expect: { poll: { timeout: 30_000 } },
};

export default defineConfig({
  test: {
    // Many files take less time than a process of their own, which would load the code for itself: these share one.
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, named([...servers, 'slow'])],
          isolate: false,
        },
      },
      {
        test: {
          ...shared,
          name: 'servers',
          include: [named([...servers, 'slow'])],
          exclude: [...configDefaults.exclude, ...longest],
          globalSetup: 'test/support/global-setup.ts',
          isolate: false,
        },
      },
      {
        test: {
          ...shared,
          name: 'long',
          include: [...longest],
          globalSetup: 'test/support/global-setup.ts',
        },
      },
    ],
    reporters: ['default', './test/support/summary-reporter.ts'],
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    // One more than the cores of the machine that all figures are of: files wait for a quarter of their time.
    maxWorkers: 3,
  },
});
