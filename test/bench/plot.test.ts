/** The picture of the comparison. */
import { expect, test } from 'vitest';
import { plot } from '../../bench/plot.ts';
import { report } from '../../bench/report.ts';
import { drainOf, measured } from './samples.ts';

test('the picture shows the speed of everyone but the perf client, and the cost and latency of the contenders', () => {
  const svg = plot(report(measured(drainOf(90)), {}, {}));
  const shown = (label: string) => svg.split(`>${label}</text>`).length - 1;
  expect(shown('relay, Avro')).toBe(4);
  expect(shown('Debezium tuned, JSON')).toBe(4);
  expect(shown('pg_recvlogical (limit)')).toBe(1);
  expect(shown('perf-client (limit)')).toBe(0);
  for (const text of ['90 events/s', '16 µs', '5 ms', '15 ms']) expect(svg).toContain(`>${text}</text>`);
});

test('the parts of a cost lie beside each other and are as long as the whole', () => {
  const svg = plot(report(measured(drainOf(90)), {}, {}));
  const bars = [...svg.matchAll(/<rect x="(\d+)" y="(\d+)" width="(\d+)".*?fill="#2f81f7"( fill-opacity)?/g)];
  const rows = Map.groupBy(bars, ([, , y]) => y);
  const stacked = [...rows.values()].find(({ length }) => length === 3)!;
  const [first, second, third] = stacked.map(([, x, , long]) => ({ x: Number(x), long: Number(long) }));
  expect(second!.x).toBe(first!.x + first!.long);
  expect(third!.x).toBe(second!.x + second!.long);
  // 10, 4 and 2 µs of 16.
  expect(first!.long).toBeGreaterThan(2 * second!.long);
});

test('rounds that differ have their range drawn, within the picture', () => {
  const rounds = { relay: [drainOf(80), drainOf(90), drainOf(110)] };
  const svg = plot(report({ ...measured(drainOf(90)), rounds }, {}, {}));
  expect(svg).toContain('class="range"');
  const [, width] = /viewBox="0 0 (\d+)/.exec(svg)!;
  for (const [, x, long] of svg.matchAll(/<rect x="(\d+)" y="\d+" width="(\d+)"/g))
    expect(Number(x) + Number(long)).toBeLessThan(Number(width));
});
