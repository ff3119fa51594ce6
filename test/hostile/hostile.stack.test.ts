/** The short form of `npm run hostile`: each kind of hostile row some times. */
import { expect, it } from 'vitest';
import { Random } from '../../harness/random.ts';
import { hostileRows, kindNames } from '../../hostile/rows.ts';
import { runHostile } from '../../hostile/run.ts';
import { createDatabase } from '../support/database.ts';
import { servers } from '../support/servers.ts';

it('makes the same rows of the same seed, and every kind before one comes again', () => {
  const some = (seed: number) => {
    const rows = hostileRows(new Random(seed), { topic: 't', type: 'x' });
    return kindNames.map(() => rows.next().value);
  };
  expect(some(1)).toEqual(some(1));
  expect(some(1)).not.toEqual(some(2));
  expect(new Set(some(3).map((row) => row?.kind))).toEqual(new Set(kindNames));
});

it('neither stops nor loses nor doubles a row, nor holds up the one behind', {
  timeout: 180_000,
}, async () => {
  await using database = await createDatabase();
  const { brokers, registryUrl } = await servers();
  const report = await runHostile({ databaseUrl: database.url, brokers, registryUrl, rows: 150, seed: 1 });
  expect(report.breaches).toEqual([]);
  expect(report).toMatchObject({ rows: 150, kinds: kindNames.length });
  expect(report.published).toBeGreaterThan(20);
  expect(report.byCode.RECORD_TOO_LARGE).toBeGreaterThan(3);
});
