import pino from 'pino';
import { expect, test } from 'vitest';
import { Health } from '../../../relay/observe/health.ts';
import { tellIfSlow } from '../../../relay/observe/slow-step.ts';

test('a step that takes long is told of again and again, in the log and as the reason, until it ends', async () => {
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
  expect(await tellIfSlow({ log, health, afterMs: 5 }, 'connecting to Kafka', step.promise)).toBe('done');
  expect(reasons).toEqual(Array(2).fill('still connecting to Kafka; standby: connecting to Kafka'));
  expect(health.ready().reason).toBe('standby: waiting for the replication slot');
});

test('a step that fails is told of no more, and its failure is passed on', async () => {
  const health = new Health({ notReadyAfterMs: 60_000 });
  const log = pino({ enabled: false });
  const failing = Promise.reject(new Error('refused'));
  await expect(tellIfSlow({ log, health, afterMs: 5 }, 'connecting to Kafka', failing)).rejects.toThrow(
    'refused',
  );
  expect(health.ready().reason).toBe('standby: waiting for the replication slot');
});
