import { join } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import { cacheFolder } from './stack/cache.ts';

/** What a test needs beside Node, as its name says: `slot.pg.test.ts`. One that needs nothing is `slot.test.ts`. */
const needs = ['pg', 'kafka', 'registry', 'stack', 'java', 'browser'];
const needing = `test/**/*.{${needs.join(',')}}.test.ts`;

const shared = {
  // For the processes that tests start, not for their own.
  env: { NODE_COMPILE_CACHE: join(cacheFolder(), 'compiled') },
  setupFiles: ['test/support/kafkajs-warnings.ts', 'test/support/leaked-handles.ts'],
  // For what hangs: ten times what the slowest takes on a quiet machine, so that a busy one does not fail.
  testTimeout: 240_000,
  // The first file that needs the servers waits for their start.
  hookTimeout: 180_000,
  teardownTimeout: 30_000,
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, needing],
        },
      },
      {
        test: {
          ...shared,
          name: 'servers',
          include: [needing],
          globalSetup: 'test/support/global-setup.ts',
        },
      },
    ],
    reporters: ['default', './test/support/summary-reporter.ts'],
    pool: 'forks',
    // The servers need a core too.
    maxWorkers: 2,
  },
});
