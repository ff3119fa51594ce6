/** The benchmark itself, in one short iteration, so that it still runs when it is needed. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { defaultRowBytes } from '../../bench/workload.ts';

const run = promisify(execFile);
const entry = path.join(import.meta.dirname, '..', '..', 'bench', 'main.ts');

test('a short run measures the relay and finds nothing lost and nothing duplicated', {
  timeout: 400_000,
}, async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'bench-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const json = path.join(folder, 'bench.json');
  const short = [
    ...['--only', 'relay,pg_recvlogical', '--own-reader', '--rounds', '1', '--events', '2000'],
    ...['--no-live', '--no-warm-up'],
    ...['--growth', '--vary', 'rows', '--growth-events', '500', '--max-rows', '500'],
  ];
  const { stdout } = await run(process.execPath, [entry, ...short, '--json', json]);
  const result = JSON.parse(await readFile(json, 'utf8'));

  expect(result).toMatchObject({
    lost: 0,
    duplicates: 0,
    void: false,
    failures: [],
    ratios: { limit: expect.any(Number), debezium: null, cost: null, live: [] },
    machine: { slotReader: 'bench/slot-reader.ts' },
  });
  expect(result.drain.relay.rounds).toHaveLength(1);
  expect(result.drain.relay.eventsPerSecond.median).toBeGreaterThan(0);
  expect(result.drain.pg_recvlogical.eventsPerSecond.median).toBeGreaterThan(0);
  const { own, walsender, broker, whole } = result.drain.relay.cost;
  for (const part of [own, broker, whole]) expect(part.median).toBeGreaterThan(0);
  expect(walsender.median).toBeGreaterThanOrEqual(0);
  expect(result.growth).toHaveLength(1);
  expect(result.growth[0].results.relay).toMatchObject({ events: 500, lost: 0, duplicates: 0 });
  // Without compression, with its key, its headers and the marks of its transactions.
  expect(result.growth[0].results.relay.bytesPerEvent).toBeGreaterThan(defaultRowBytes / 2);
  expect(stdout).toContain('| relay, Avro |');
  expect(stdout).toContain('was read by bench/slot-reader.ts');
});
