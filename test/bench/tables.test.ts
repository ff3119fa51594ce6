/** A report as people read it. */
import { expect, test } from 'vitest';
import { connectorSettings, debeziumVariants } from '../../bench/debezium/settings.ts';
import { growthCells } from '../../bench/growth-cells.ts';
import { report } from '../../bench/report.ts';
import { settingsTables, tables } from '../../bench/tables.ts';
import { drainOf, grownOf, liveOf, measured } from './samples.ts';

test('the main table has a row for each competitor, with the parts of the cost and the latency', () => {
  const text = tables(report(measured(drainOf(90_000)), {}, {}));
  expect(text).toContain('| relay, Avro | 90,000 (90,000–90,000) | 16 (16–16) | 10 | 4 | 2 | 5 | 15 | 100 |');
  expect(text).toContain('| perf-client (limit) |');
  const lines = text.split('\n').filter((line) => line.startsWith('|'));
  const widths = new Set(lines.slice(0, 6).map((line) => line.split(' | ').length));
  expect(widths.size).toBe(1);
});

test('a contender that lost an event is marked', () => {
  const text = tables(report(measured(drainOf(90), drainOf(20, 1)), {}, {}));
  expect(text).toContain('| Debezium tuned, JSON (void) |');
  expect(text).toContain('1 events were lost');
  const late = { ...measured(drainOf(90)), live: { relay: [liveOf(5, 1)] } };
  expect(tables(report(late, {}, {}))).toContain('| 1,000 | relay, Avro (void) |');
});

test('what failed comes first, by its name', () => {
  const text = tables(report({ ...measured(drainOf(90)), failures: ['growth of relay: it ended'] }, {}, {}));
  expect(text).toMatch(/^## FAILED\n\n- growth of relay: it ended\n/);
});

test('each dimension of growth has a table, whose rows have the usual cell among them', () => {
  const growth = growthCells(10_000_000).map((cell) => grownOf(8, 251, cell));
  const text = tables(report({ ...measured(drainOf(90)), growth }, {}, {}));
  for (const first of ['rows', 'partitions', 'events', 'bytes of JSON', 'codec'])
    expect(text).toContain(`\n| ${first} |`);
  expect(text).toContain('| 10,000,000 |');
  expect(text).toContain('| zstd |');
  expect(text).toContain('memory peaks at 251 MB (limit 250: EXCEEDED)');
});

test('a cell that failed has no figures, and leaves those of the others', () => {
  const [first, second] = growthCells(1_000_000);
  const growth = [grownOf(8, 100, first), { cell: second!, results: {} }];
  const text = tables(report({ ...measured(drainOf(90)), growth }, {}, {}));
  expect(text).toContain('| 1,000,000 | – | – | – | – |');
});

test('every setting of every Debezium that was measured is listed with its reason, once', () => {
  const rounds = Object.fromEntries(debeziumVariants.map((name) => [name, [drainOf(20)]]));
  const text = settingsTables(report({ ...measured(drainOf(90)), rounds }, {}, {}));
  for (const variant of debeziumVariants)
    for (const { name, why } of connectorSettings(variant, 'http://registry', {})) {
      expect(why.length).toBeGreaterThan(3);
      expect(text).toContain(`| \`${name}\` |`);
      expect(text).toContain(why);
    }
  expect(text.split('`exactly.once.support`')).toHaveLength(2);
  expect(text).toContain('| `max.batch.size` | `8192` | Debezium tuned, JSON; Debezium tuned, Avro |');
  expect(text).toContain('| JVM of the worker | `-Xms256m -Xmx2g` | Debezium by default, JSON |');
});

test('the Debezium by default has no setting for speed', () => {
  const names = connectorSettings('debezium-default', 'http://registry', {}).map(({ name }) => name);
  expect(names.filter((name) => /batch|queue|poll\.|producer|tombstones|column/.test(name))).toEqual([]);
});

test('the queue of Debezium is bounded in bytes only where its rows would fill the heap', () => {
  const has = (rowBytes: number) =>
    connectorSettings('debezium', 'http://registry', { rowBytes }).some(
      ({ name }) => name === 'max.queue.size.in.bytes',
    );
  expect([275, 1_000, 10_000, 100_000].map(has)).toEqual([false, false, true, true]);
});
