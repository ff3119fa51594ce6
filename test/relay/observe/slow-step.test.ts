import pino from 'pino';
import { expect, test } from 'vitest';
import { componentLogs } from '../../../relay/observe/component-logs.ts';
import { Health } from '../../../relay/observe/health.ts';
import { createObserver } from '../../../relay/observe/listeners.ts';
import { createMetrics } from '../../../relay/observe/metrics.ts';
import { watchSteps } from '../../../relay/observe/slow-step.ts';

const metrics = createMetrics({ process: false });

test('a step that takes long says so again and again, in the log and as the reason, until it ends', async () => {
  const health = new Health({ notReadyAfterMs: 60_000 });
  const step = Promise.withResolvers<string>();
  const reasons: string[] = [];
  const log = pino(
    {},
    {
      write: (line: string) => {
        reasons.push(`${JSON.parse(line).msg}; ${health.ready().reason}`);
        if (reasons.length === 2) step.resolve('done');
      },
    },
  );
  const observer = createObserver({ logs: componentLogs(log), metrics, health });
  expect(await watchSteps(observer, 5)('connecting to Kafka', step.promise)).toBe('done');
  expect(reasons).toEqual(Array(2).fill('still connecting to Kafka; standby: connecting to Kafka'));
  expect(health.ready().reason).toBe('standby: waiting for the replication slot');
});

test('a step that fails says no more, and passes its failure on', async () => {
  const health = new Health({ notReadyAfterMs: 60_000 });
  const observer = createObserver({ logs: componentLogs(pino({ enabled: false })), metrics, health });
  const failing = Promise.reject(new Error('refused'));
  await expect(watchSteps(observer, 5)('connecting to Kafka', failing)).rejects.toThrow('refused');
  expect(health.ready().reason).toBe('standby: waiting for the replication slot');
});
