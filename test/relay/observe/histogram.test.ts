import { Histogram as Reference, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { Random } from '../../../harness/random.ts';
import { Histogram } from '../../../relay/observe/histogram.ts';

const settings = {
  name: 'wait_seconds',
  help: 'Waits.',
  labelNames: ['stage'],
  buckets: [0.001, 0.5, 1, 20],
};

test('what it exports is what prom-client exports for the same values', async () => {
  const [ours, reference] = [new Registry(), new Registry()];
  const histogram = new Histogram(settings, ours);
  const expected = new Reference({ ...settings, buckets: [...settings.buckets], registers: [reference] });
  const random = new Random(7);
  for (let n = 0; n < 2_000; n++) {
    const stage = `s${n % 3}`;
    // The bounds themselves too, which belong to their bucket.
    const value = n % 5 === 0 ? settings.buckets[n % 4]! : random.fraction() * 40;
    histogram.of({ stage }).observe(value);
    expected.observe({ stage }, value);
  }
  for (const registry of [ours, reference]) registry.setDefaultLabels({ slot: 'a' });
  const lines = async (registry: Registry) => (await registry.metrics()).split('\n').map(sorted);
  expect(await lines(ours)).toEqual(await lines(reference));
});

/** The order of the labels means nothing. */
const sorted = (line: string) =>
  line.replace(/\{(.*)\}/, (_, labels) => `{${labels.split(',').sort().join(',')}}`);

test('a value that occurred several times counts so often', async () => {
  const registry = new Registry();
  const histogram = new Histogram({ ...settings, labelNames: [] }, registry);
  histogram.observe(0.25, 3);
  histogram.observe(30);
  const text = await registry.metrics();
  expect(text).toContain('wait_seconds_bucket{le="0.001"} 0\nwait_seconds_bucket{le="0.5"} 3\n');
  expect(text).toContain('wait_seconds_bucket{le="+Inf"} 4\nwait_seconds_sum 30.75\nwait_seconds_count 4\n');
});
