import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool } from '../../../relay/connect/postgres/pool.ts';
import { Heartbeats } from '../../../relay/upkeep/heartbeat.ts';
import { UncoveredHeartbeats } from '../../../relay/upkeep/uncovered-heartbeats.ts';
import { type OutboxDatabase, openOutboxDatabase } from '../capture/database.ts';

let outbox: OutboxDatabase;
beforeAll(async () => {
  outbox = await openOutboxDatabase();
});
afterAll(() => outbox[Symbol.asyncDispose]());

test('a round trip is told once, also where the stream is faster than the answer to the write', async () => {
  const config = await outbox.newSlot();
  const pool = createPool(config);
  const told: { readonly beat: number; readonly roundTripMs: number }[] = [];
  const heartbeats = new Heartbeats(
    {
      config,
      pool,
      observer: { heartbeatReturned: (fact) => told.push(fact) },
      progress: () => ({ beat: 0 }) as never,
      stream: () => ({ serverLsn: 0n, beat: 0 }),
    },
    new UncoveredHeartbeats(),
  );
  try {
    // The answer takes a turn of the event loop at least.
    const writing = heartbeats.duty.run(new AbortController().signal);
    heartbeats.returned(1, 0);
    expect(told).toEqual([]);
    await writing;
    expect(told.map(({ beat }) => beat)).toEqual([1]);

    await heartbeats.duty.run(new AbortController().signal);
    heartbeats.returned(2, 1);
    expect(told.map(({ beat }) => beat)).toEqual([1, 2]);
    for (const { roundTripMs } of told) expect(roundTripMs).toBeGreaterThan(0);
  } finally {
    await pool.end();
  }
});
