import { pino } from 'pino';
import { expect, test } from 'vitest';
import { RelayError } from '../../../relay/errors.ts';
import { componentLogs } from '../../../relay/observe/component-logs.ts';
import { Health } from '../../../relay/observe/health.ts';
import { createObserver, reportFaults } from '../../../relay/observe/listeners.ts';
import { createMetrics } from '../../../relay/observe/metrics.ts';
import { committedSample, sampledSample } from './fact-samples.ts';

function outputs() {
  const lines: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const health = new Health({ notReadyAfterMs: 60_000 });
  return { lines, log, logs: componentLogs(log), health, metrics: createMetrics({ process: false }) };
}

test('a failure that is retried shows in the log, in the metrics and in /readyz, until something is published', async () => {
  const { lines, ...own } = outputs();
  const observer = createObserver(own);
  const failure = new RelayError('REGISTRY_UNAVAILABLE', 'gone');
  observer.retried?.({ doing: 'encoding', failure, retryInMs: 60_000 });
  observer.sampled?.(sampledSample());
  expect(lines).toMatchObject([{ msg: 'encoding failed, retrying', retryInMs: 60_000 }]);
  const { registry } = own.metrics;
  expect(await registry.metrics()).toContain('retry_attempts{dependency="registry"} 1');
  expect(await registry.metrics()).toContain('errors_total{code="REGISTRY_UNAVAILABLE",class="retry"} 1');
  expect(own.health.ready().error?.code).toBe('REGISTRY_UNAVAILABLE');
  observer.committed?.(committedSample());
  expect(own.health.ready().error).toBeUndefined();
});

test('a listener that fails is counted each time and logged once for each fact', async () => {
  const { lines, log, metrics } = outputs();
  const report = reportFaults(log, metrics);
  for (let n = 0; n < 3; n++) report('traces', 'committed', new TypeError('no'));
  report('traces', 'entered', new TypeError('no'));
  expect(lines).toMatchObject([
    { listener: 'traces', fact: 'committed', level: 50 },
    { listener: 'traces', fact: 'entered', level: 50 },
  ]);
  expect(await metrics.registry.metrics()).toContain('errors_total{code="INTERNAL",class="stop"} 4');
});
