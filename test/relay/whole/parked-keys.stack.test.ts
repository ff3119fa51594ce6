/** The policy `park-key`, on real servers, with relays that die at every step of parking and of releasing. */
import type pg from 'pg';
import { expect, test, vi } from 'vitest';
import type { RelayProcess, Settings } from '../../../harness/relay-process.ts';
import { expectOnceInOrder } from '../once-in-order.ts';
import { type Item, idOf, World } from '../world.ts';

const settings: Settings = {
  DEAD_LETTERS_POLICY: 'park-key',
  DEAD_LETTERS_STORM_PERCENT: 100,
  // Long enough that what is written before a relay starts comes in the same batch each time.
  PUBLISH_LINGER_MS: 500,
};

/** Writes the events of a key in their order, some of them refused, and knows what must come of it. */
class Writer {
  readonly #world: World;
  readonly #next = new Map<string, number>();
  readonly ids: string[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  #item(key: string): Item {
    const seq = this.#next.get(key) ?? 0;
    this.#next.set(key, seq + 1);
    return { key, seq };
  }

  /** One transaction with one event for each of the keys. @returns their ids */
  async good(...keys: string[]): Promise<string[]> {
    const ids = await this.#world.write(keys.map((key) => this.#item(key)));
    for (const id of ids) this.ids.push(id);
    return ids;
  }

  /** One transaction of 50 events, every tenth of them of `key`, that requests the release of `key` in its midst. */
  async largeWithRelease(key: string): Promise<number> {
    const items = Array.from({ length: 50 }, (_, n) => this.#item(n % 10 === 5 ? key : 'other'));
    const client = await this.#world.pool.connect();
    try {
      await client.query('begin');
      const ids = await this.#world.write(items.slice(0, 25), client);
      const request = await requestRelease(this.#world, key, client);
      ids.push(...(await this.#world.write(items.slice(25), client)));
      await client.query('commit');
      for (const id of ids) this.ids.push(id);
      return request;
    } finally {
      client.release();
    }
  }

  /** An event whose `seq` is text: refused until it is fixed. */
  async bad(key: string): Promise<string> {
    const { seq } = this.#item(key);
    const { rows } = await this.#world.pool.query<{ id: string }>(
      `insert into outbox.event (aggregatetype, aggregateid, type, payload)
       values ('item', $1, 'test.ItemMoved', json_build_object('key', $1::text, 'seq', $2::text)) returning id`,
      [key, String(seq)],
    );
    this.ids.push(rows[0]!.id);
    return rows[0]!.id;
  }
}

async function makeSlot(world: World): Promise<void> {
  await world.pool.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [world.slot]);
}

/** As an operator does it with `fix`. */
async function fix(world: World, key: string): Promise<void> {
  await world.pool.query(
    `update outbox.dead_letter set payload = json_build_object('key', $1::text, 'seq', (payload::json ->> 'seq')::int)
     where status = 'open' and aggregateid = $1`,
    [key],
  );
}

async function requestRelease(
  world: World,
  key: string,
  client: pg.Pool | pg.ClientBase = world.pool,
): Promise<number> {
  const { rows } = await client.query<{ id: string | null }>(
    `select outbox.request_release($1, $2, $3, 'somebody') as id`,
    [world.slot, world.topic, key],
  );
  expect(rows[0]?.id).not.toBeNull();
  return Number(rows[0]?.id);
}

async function untilDone(world: World, request: number): Promise<{ outcome: string; published: number }> {
  return vi.waitFor(
    async () => {
      const { rows } = await world.pool.query<{ outcome: string; published: string }>(
        'select outcome, published from outbox.key_release where id = $1 and outcome is not null',
        [request],
      );
      expect(rows).toHaveLength(1);
      return { outcome: rows[0]!.outcome, published: Number(rows[0]!.published) };
    },
    { timeout: 30_000, interval: 50 },
  );
}

/** Dead letters in the order of their positions, as `status code`. */
async function letters(world: World): Promise<string[]> {
  const { rows } = await world.pool.query<{ one: string }>(
    `select status || ' ' || code as one from outbox.dead_letter order by commit_lsn, ordinal`,
  );
  return rows.map(({ one }) => one);
}

async function untilLetters(world: World, ids: readonly string[]): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rowCount } = await world.pool.query(
        `select from outbox.dead_letter where event_id = any ($1) and status in ('open', 'parked')`,
        [ids],
      );
      expect(rowCount).toBe(ids.length);
    },
    { timeout: 30_000, interval: 50 },
  );
}

/** Before the test itself reads: that writes marks into the topic. */
async function expectVerified(world: World): Promise<void> {
  const { stdout } = await world.command('verify', '--json', '--expect-all');
  expect(JSON.parse(stdout)).toMatchObject({ ok: true });
}

async function dead(relay: RelayProcess): Promise<void> {
  expect(await relay.exited).toEqual({ code: null, signal: 'SIGKILL' });
}

test.each(['DEAD_LETTERS_STORED:1', 'EVENTS_SENT:2', 'KAFKA_COMMITTED:1', 'ACKNOWLEDGED:1'])(
  'a relay that dies at %s while it parks, and again while it releases, publishes each event once and in order',
  async (place) => {
    await using world = await World.create();
    const writer = new Writer(world);
    await makeSlot(world);
    await writer.good('k', 'j');
    const refused = await writer.bad('k');
    const waiting = [(await writer.good('k', 'j'))[0]!, (await writer.good('j', 'k'))[1]!];
    await dead(world.startRelay({ ...settings, FAILPOINT: place }));

    const parking = world.startRelay(settings);
    await parking.streaming();
    const later = await writer.good('j', 'k');
    await untilLetters(world, [refused, ...waiting, later[1]!]);
    expect(await letters(world)).toEqual(['open PAYLOAD_INVALID', ...Array(3).fill('parked KEY_PARKED')]);
    parking.signal('SIGTERM');
    await parking.exited;

    await fix(world, 'k');
    await writer.good('k');
    const request = await requestRelease(world, 'k');
    await writer.good('j', 'k', 'k');
    // Its first batch parks one more, its second one releases. A later session has no first progress to send.
    await dead(world.startRelay({ ...settings, FAILPOINT: place.replace(/\d/, '2') }));

    world.startRelay(settings);
    expect(await untilDone(world, request)).toEqual({ outcome: 'released', published: 5 });
    await writer.good('k', 'j');
    await expectVerified(world);
    expectOnceInOrder(await world.read(writer.ids), writer.ids);
    expect(await letters(world)).toEqual([
      'released PAYLOAD_INVALID',
      ...Array(4).fill('released KEY_PARKED'),
    ]);
  },
);

test('a release while events of the key keep coming, and the relay dies for a standby, keeps every key in order', async () => {
  await using world = await World.create();
  const writer = new Writer(world);
  await makeSlot(world);
  await writer.good('k', 'j');
  const refused = await writer.bad('k');
  const [waiting] = await writer.good('k', 'j');
  const active = world.startRelay({ ...settings, PUBLISH_LINGER_MS: 0 });
  await active.streaming();
  const standby = world.startRelay({ ...settings, PUBLISH_LINGER_MS: 0 });
  await standby.line(({ msg }) => msg.startsWith('standby: another'));
  await untilLetters(world, [refused, waiting!]);
  await fix(world, 'k');

  let isWriting = true;
  const writing = (async () => {
    while (isWriting) await writer.good('k', 'j', 'k');
  })();
  const request = await requestRelease(world, 'k');
  await active.line(({ state }) => state === 'streaming');
  active.signal('SIGKILL');
  await untilDone(world, request);
  await standby.streaming();
  isWriting = false;
  await writing;
  await writer.good('k', 'j');
  await expectVerified(world);
  expectOnceInOrder(await world.read(writer.ids), writer.ids);
});

test('in a split transaction a key is parked across its parts, and released in as many rounds as the limit asks for', async () => {
  await using world = await World.create();
  const limited = { ...settings, PUBLISH_MAX_TRANSACTION_EVENTS: 5, PUBLISH_BATCH_EVENTS: 5 };
  await makeSlot(world);
  // 23 events of one transaction, in parts of 5; the 7th is refused, and every second from there on waits.
  const { rows } = await world.pool.query<{ id: string }>(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload)
     select 'item', key, 'test.ItemMoved', case n when 6 then json_build_object('key', key, 'seq', seq::text)
                                                  else json_build_object('key', key, 'seq', seq) end
       from (select n, case n % 2 when 0 then 'k' else 'j' end as key, n / 2 as seq from generate_series(0, 22) n) t
      order by n returning id`,
  );
  const ids = rows.map(({ id }) => id);
  await dead(world.startRelay({ ...limited, FAILPOINT: 'KAFKA_COMMITTED:2' }));
  await dead(world.startRelay({ ...limited, FAILPOINT: 'EVENTS_SENT:2' }));
  world.startRelay(limited);
  await untilLetters(
    world,
    ids.filter((_, n) => n >= 6 && n % 2 === 0),
  );

  // Still refused: nothing is published, all wait on.
  expect(await untilDone(world, await requestRelease(world, 'k'))).toEqual({
    outcome: 'refused',
    published: 0,
  });
  expect(await letters(world)).toEqual(['open PAYLOAD_INVALID', ...Array(8).fill('parked KEY_PARKED')]);
  await fix(world, 'k');
  const outcomes = [
    await untilDone(world, await requestRelease(world, 'k')),
    await untilDone(world, await requestRelease(world, 'k')),
  ];
  expect(outcomes).toEqual([
    { outcome: 'limited', published: 5 },
    { outcome: 'released', published: 4 },
  ]);
  await expectVerified(world);
  expectOnceInOrder(await world.read(ids), ids);
});

test.each([
  ['whole', { PUBLISH_PART_EVENTS: 20 }, ['PART_WRITTEN:2', 'EVENTS_SENT:1']],
  ['split', { PUBLISH_MAX_TRANSACTION_EVENTS: 20 }, ['KAFKA_COMMITTED:2', 'DEAD_LETTERS_STORED:1']],
])(
  'a release that a transaction in parts requests, which stays %s, takes its own events with it, though the relay dies within',
  async (_, limits, places) => {
    await using world = await World.create();
    const writer = new Writer(world);
    await makeSlot(world);
    const refused = await writer.bad('k');
    const [waiting] = await writer.good('k', 'other');
    const parking = world.startRelay(settings);
    await untilLetters(world, [refused, waiting!]);
    parking.signal('SIGTERM');
    await parking.exited;

    await fix(world, 'k');
    const request = await writer.largeWithRelease('k');
    await writer.good('other', 'k');
    const inParts = { ...settings, ...limits, PUBLISH_BATCH_EVENTS: 20 };
    for (const place of places) await dead(world.startRelay({ ...inParts, FAILPOINT: place }));
    const relay = world.startRelay(inParts);
    // The last part has the last of its five events of the key, which comes behind what waits.
    expect(await untilDone(world, request)).toEqual({ outcome: 'released', published: 6 });
    await writer.good('k', 'other');
    await expectVerified(world);
    expectOnceInOrder(await world.read(writer.ids), writer.ids);
    expect(await letters(world)).toEqual([
      'released PAYLOAD_INVALID',
      ...Array(5).fill('released KEY_PARKED'),
    ]);
    relay.signal('SIGTERM');
    await relay.exited;
  },
);

test('discarding the refused event leaves the rest parked, and two who release at once release once', async () => {
  await using world = await World.create();
  const writer = new Writer(world);
  const relay = world.startRelay({
    ...settings,
    DEAD_LETTERS_POLICY: 'halt',
    DEAD_LETTERS_POLICIES: `${world.topic}=park-key`,
  });
  await relay.streaming();
  const refused = await writer.bad('k');
  const waiting = [...(await writer.good('k')), ...(await writer.good('k'))];
  await untilLetters(world, [refused, ...waiting]);
  const discarded = await vi.waitFor(
    async () => {
      const result = await world.command('dead-letters', 'discard', '--all', '--reason', 'no use', '--yes');
      expect(result.code, result.stdout).toBe(0);
      return result;
    },
    { timeout: 30_000, interval: 200 },
  );
  expect(discarded.stdout).toMatch(/discarded +1\n/);
  const later = await writer.good('k');
  await untilLetters(world, [...waiting, ...later]);

  const release = () => world.command('dead-letters', 'release', '--all', '--yes', '--json');
  const both = await Promise.all([release(), release()]);
  // Either finds no key when it looks, or the key released when it asks, or by its own request.
  for (const { stdout, stderr } of both)
    expect(stdout + stderr).toMatch(/^\[\]\n$|"outcome":"(released|not-parked)"|is parked/);
  const { rows } = await world.pool.query('select sum(published)::int as published from outbox.key_release');
  expect(rows).toEqual([{ published: 3 }]);
  // Who released it is in the trail of each.
  const { stdout: shown } = await world.command('dead-letters', 'show', waiting[0]!, '--no-payload');
  expect(shown).toMatch(/trail +\S+Z release by /);
  await expectVerified(world);
  const records = await world.read([...waiting, ...later]);
  expect(records.map(idOf)).toEqual([...waiting, ...later]);
});

test('what was refused before its key was parked is resubmitted behind what waits, and released with it', async () => {
  await using world = await World.create();
  const writer = new Writer(world);
  const parking = { ...settings, PUBLISH_LINGER_MS: 5 };
  const first = world.startRelay({ ...parking, DEAD_LETTERS_POLICY: 'dead-letter' });
  await first.streaming();
  const earlier = await writer.bad('k');
  await untilLetters(world, [earlier]);
  first.signal('SIGTERM');
  await first.exited;

  await world.startRelay(parking).streaming();
  const refused = await writer.bad('k');
  const [waiting] = await writer.good('k');
  await untilLetters(world, [earlier, refused, waiting!]);
  await fix(world, 'k');
  await vi.waitFor(
    async () => {
      const { stdout } = await world.command('dead-letters', 'resubmit', '--all', '--yes');
      expect(stdout).toMatch(/resubmitted +1\n/);
    },
    { timeout: 30_000, interval: 200 },
  );
  // It has another dead letter now, which is parked.
  await untilLetters(world, [earlier, refused, waiting!]);
  const { stdout } = await world.command('dead-letters', 'release', '--all', '--yes', '--json');
  expect(stdout).toMatch(/"outcome":"released"/);
  await expectVerified(world);
  expect((await world.read([earlier, refused, waiting!])).map(idOf)).toEqual([refused, waiting, earlier]);
});
