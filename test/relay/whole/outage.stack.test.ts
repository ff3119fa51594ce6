/** Servers that die under load, and come back: nothing lost, nothing doubled, the order kept. */
import { setTimeout as pauseFor } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startKafka } from '../../../stack/kafka.ts';
import { startPostgres } from '../../../stack/postgres.ts';
import { expectOnceInOrder } from '../once-in-order.ts';
import { World } from '../world.ts';

/** No test cuts the power, so what the process wrote survives. */
const settings = { fsync: 'off' };

/** Writes transactions of 1 to 5 events without pause until told to stop; a failed one is of unknown outcome. */
class Writer {
  readonly #world: World;
  readonly #done: Promise<void>;
  #isStopped = false;
  #written = 0;

  constructor(world: World) {
    this.#world = world;
    this.#done = this.#run();
  }

  /** Resolves when `count` more transactions were committed. */
  async more(count: number): Promise<void> {
    const goal = this.#written + count;
    await expect.poll(() => this.#written, { interval: 20 }).toBeGreaterThanOrEqual(goal);
  }

  /** Stops, and gives the ids that are committed: what the table holds is the truth. */
  async stop(): Promise<string[]> {
    this.#isStopped = true;
    await this.#done;
    const { rows } = await this.#world.pool.query<{ id: string }>('select id from outbox.event');
    return rows.map(({ id }) => id);
  }

  async #run(): Promise<void> {
    for (let seq = 0; !this.#isStopped; seq++) {
      const items = Array.from({ length: 1 + (seq % 5) }, (_, n) => ({ key: `key-${n}`, seq }));
      try {
        await this.#world.write(items);
        this.#written += 1;
      } catch {
        await pauseFor(20); // the server is away; a refused connection comes back at once
      }
    }
  }
}

describe('under load', () => {
  it('each of three brokers is killed and comes back, and a relay with either producer goes on', {
    timeout: 900_000,
  }, async () => {
    await using kafka = await startKafka({ brokers: 3, quickStart: true });
    await using lean = await World.create(6, { brokers: kafka.brokers });
    await using kafkajs = await World.create(6, { brokers: kafka.brokers });
    const worlds = Object.entries({ lean, kafkajs });
    for (const [producer, world] of worlds)
      await world.startRelay({ PUBLISH_PRODUCER: producer, KAFKA_REQUEST_TIMEOUT_MS: 5_000 }).streaming();
    const writers = worlds.map(([, world]) => ({ world, writer: new Writer(world) }));
    const more = (count: number) => Promise.all(writers.map(({ writer }) => writer.more(count)));
    await more(50);
    for (const node of kafka.nodes) {
      node.kill('SIGKILL');
      await more(100);
      await node.restart();
      await more(100);
    }
    for (const { world, writer } of writers) {
      const ids = await writer.stop();
      expectOnceInOrder(await world.read(ids, 240_000), ids);
    }
  });

  it('Postgres is shut down as for a switchover, and the relay does not keep it from ending', {
    timeout: 600_000,
  }, async () => {
    await using postgres = await startPostgres({ settings });
    await using world = await World.create(3, { databaseUrl: postgres.url });
    await world.startRelay({ CAPTURE_HEARTBEAT_MS: 60_000 }).streaming();
    await world.read(await world.write([{ key: 'before', seq: 0 }]));
    // WAL that no event and no heartbeat takes into a progress.
    await world.pool.query('create table unpublished ()');
    const beganMs = performance.now();
    await postgres.restart({ mode: 'fast' });
    // It would be killed after 10 s.
    expect(performance.now() - beganMs).toBeLessThan(9_000);
    const writer = new Writer(world);
    await writer.more(50);
    const ids = await writer.stop();
    expectOnceInOrder(await world.read(ids, 240_000), ids);
  });

  it('Postgres is shut down without a checkpoint and comes back, again and again', {
    timeout: 600_000,
  }, async () => {
    await using postgres = await startPostgres({ settings });
    await using world = await World.create(3, { databaseUrl: postgres.url });
    await world.startRelay().streaming();
    const writer = new Writer(world);
    for (let round = 0; round < 3; round++) {
      await writer.more(100);
      await postgres.restart({ mode: 'immediate' });
    }
    await writer.more(50);
    const ids = await writer.stop();
    expectOnceInOrder(await world.read(ids, 240_000), ids);
  });
});
