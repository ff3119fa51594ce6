import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createKafka } from '../../../relay/connect/kafka.ts';
import { createPool } from '../../../relay/connect/postgres/pool.ts';
import { StandingPartitions } from '../../../relay/publish/standing-partitions.ts';
import { Upkeep } from '../../../relay/upkeep/upkeep.ts';
import { progressSample } from '../observe/fact-samples.ts';
import { configOf } from '../settings.ts';

test('duties leave the stream two connections of the pool, even if all of them wait', async () => {
  const config = configOf();
  const pool = createPool(config);
  const { duties } = new Upkeep({
    config,
    pool,
    kafka: createKafka(config, pino({ level: 'silent' })),
    observer: {},
    standing: new StandingPartitions(),
    progress: () => progressSample,
    publication: '',
    obey: async () => {},
    stream: () => ({ serverLsn: 0n, beat: 0, lookalikes: new Map() }),
  });
  expect(new Set(duties.map(({ name }) => name)).size).toBe(duties.length);
  expect(duties.length).toBeGreaterThan(1);
  // It asks Kafka only.
  const ofPostgres = duties.filter(({ name }) => name !== 'blocked_topics');
  expect(pool.options.max).toBeGreaterThanOrEqual(ofPostgres.length + 2);
  await pool.end();
});
