import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/global-setup.ts',
    setupFiles: ['test/support/kafkajs-warnings.ts', 'test/support/leaked-handles.ts'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    pool: 'forks',
    // The servers need a core too.
    maxWorkers: 2,
    // For what hangs: ten times what the slowest takes on a quiet machine, so that a busy one does not fail.
    testTimeout: 240_000,
    // The first file that needs the servers waits for their start.
    hookTimeout: 180_000,
    teardownTimeout: 30_000,
  },
});
