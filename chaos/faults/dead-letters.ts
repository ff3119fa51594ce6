/**
 * Refused events under load, handled with the real commands, while the relay dies at the steps of parking, releasing
 * and resubmitting. I7 shows that no later event overtakes a parked key: a released event keeps its position, so an
 * event that overtook it would stand before it.
 */

import type { RelayProcess, Settings } from '../../harness/relay-process.ts';
import type { Failpoint } from '../../relay/observe/failpoints.ts';
import { isSettled } from '../../relay/operations/dead-letters/selection.ts';
import type { Arena, Fault } from '../fault.ts';
import type { OutboxEvent } from '../load.ts';
import { waitFor } from '../machine.ts';

/**
 * For a step of the fault itself, including commands that find no relay: each takes seconds to start on a busy machine.
 */
const patienceMs = 90_000;
const patienceSeconds = String(patienceMs / 1_000);
const writeEveryMs = 30;
const [fixedKey, discardedKey] = ['refused-fixed', 'refused-discarded'];

const worldOf = (policy: string): Settings => ({
  DEAD_LETTERS_POLICY: policy,
  DEAD_LETTERS_STORM_PERCENT: 100,
});

/** Each is reached with every batch, except the first, which is reached once in a session. */
const places: readonly Failpoint[] = [
  'DEAD_LETTERS_REREAD',
  'DEAD_LETTERS_STORED',
  'EVENTS_SENT',
  'KAFKA_COMMITTED',
  'ACKNOWLEDGED',
];

export const deadLetterFaults: readonly Fault[] = [
  ...places.map(
    (place): Fault => ({
      name: `parks and releases, killed at ${place}`,
      class: 'dead-letters',
      about: `keys are parked, fixed or discarded, and released by two at once, under load; SIGKILL at ${place} in both`,
      expect: 'recovers',
      world: worldOf('park-key'),
      inject: (arena) => parkAndRelease(arena, (start) => dieAt(arena, place, start)),
    }),
  ),
  {
    name: 'standby takes over in the middle of a release',
    class: 'dead-letters',
    about: 'SIGKILL of the relay that was asked to release, while a standby waits',
    expect: 'recovers',
    world: worldOf('park-key'),
    inject: (arena) => parkAndRelease(arena, (start) => succeed(arena, start)),
  },
  ...places.map(
    (place): Fault => ({
      name: `resubmitted, killed at ${place}`,
      class: 'dead-letters',
      about: `a refused event is fixed and resubmitted by two at once, under load; SIGKILL at ${place} in both`,
      expect: 'recovers',
      world: worldOf('dead-letter'),
      inject: (arena) => refuseAndResubmit(arena, place),
    }),
  ),
];

/** Kills the relay while what `start` begins is under way; resolves when that is done. */
type Disturb = (start: () => Promise<void>) => Promise<void>;

async function parkAndRelease(arena: Arena, disturb: Disturb): Promise<void> {
  const { load, pool, slot, relays } = arena;
  const keys = [fixedKey, discardedKey] as const;
  await whileWriting(arena, async (write) => {
    let refused: readonly OutboxEvent[] = [];
    await disturb(async () => {
      refused = await write(() => keys.map((key) => load.event(key, { isPoison: true })));
    });
    await untilOpen(arena, refused);
    await fix(arena, refused[0]!);
    await insist(arena, 'discard', refused[1]!.id, '--reason', 'chaos', '--yes');
    const release = () =>
      insist(arena, 'release', '--key', fixedKey, '--key', discardedKey, '--wait', patienceSeconds, '--yes');
    let releasing: Promise<unknown> = Promise.resolve();
    await disturb(async () => {
      releasing = Promise.all([release(), release().catch(() => {})]);
      releasing.catch(() => {}); // awaited below
      await waitFor(
        async () =>
          (await count(arena, 'select from outbox.key_release where slot = $1 and key = any ($2)', [keys])) >
          0,
        'the release to be requested',
        patienceMs,
      );
    });
    await releasing;
    await waitFor(
      async () => {
        const { rowCount } = await pool.query(
          'select from outbox.parked_key where slot = $1 and key = any ($2) and released_lsn is null',
          [slot, keys],
        );
        return rowCount === 0;
      },
      'the keys to be released',
      patienceMs,
    );
  });
  relays.size = 1;
}

async function refuseAndResubmit(arena: Arena, place: Failpoint): Promise<void> {
  const { load, oracle } = arena;
  // The event is published behind what was written after it, at a position that says so.
  oracle.allowLate();
  await whileWriting(arena, async (write) => {
    let refused: readonly OutboxEvent[] = [];
    await dieAt(arena, place, async () => {
      refused = await write(() => [load.event(fixedKey, { isPoison: true })]);
    });
    await untilOpen(arena, refused);
    const { id } = refused[0]!;
    await fix(arena, refused[0]!);
    const resubmit = () => arena.relays.command('dead-letters', 'resubmit', id, '--yes');
    await dieAt(arena, place, async () => {
      const both = await Promise.allSettled([resubmit(), resubmit()]);
      if (both.every(({ status }) => status === 'rejected')) await insist(arena, 'resubmit', id, '--yes');
    });
    await waitFor(() => oracle.isSettled(id), 'the resubmitted event', patienceMs);
  });
}

/** No relay runs while it starts, so that the next one meets it in one of its first batches. */
async function dieAt({ relays, random }: Arena, place: Failpoint, start: () => Promise<void>): Promise<void> {
  const { size, all } = relays;
  relays.size = 0;
  await Promise.all(all.map((relay) => relay.kill()));
  let relay: RelayProcess;
  try {
    await start();
  } finally {
    const time = place === 'DEAD_LETTERS_REREAD' ? 1 : random.integer(1, 4);
    relay = relays.start({ failpoint: `${place}:${time}` });
    relays.size = size;
  }
  await relay.exited;
}

async function succeed({ relays }: Arena, start: () => Promise<void>): Promise<void> {
  const active = await relays.untilActive();
  relays.scale(2);
  await waitFor(() => relays.all.some(({ state }) => state === 'standby'), 'a standby', patienceMs);
  await start();
  relays.size = 1;
  await active.kill();
}

/** Has the writer put the events into its next transaction; resolves when that is committed. */
type Write = (make: () => OutboxEvent[]) => Promise<OutboxEvent[]>;

type Asked = {
  readonly make: () => OutboxEvent[];
  readonly committed: (events: OutboxEvent[]) => void;
};

/** Writes events of the same keys, and of another, without pause: from one writer, so that their order is known. */
async function whileWriting({ load, pause }: Arena, work: (write: Write) => Promise<void>): Promise<void> {
  let isOver = false;
  const queue: Asked[] = [];
  const writing = (async () => {
    while (!isOver) {
      const asked = queue.splice(0).map(({ make, committed }) => ({ events: make(), committed }));
      const usual = [fixedKey, discardedKey, 'not-refused'].map((key) => load.event(key));
      await load.commit([...asked.flatMap(({ events }) => events), ...usual]);
      for (const { events, committed } of asked) committed(events);
      await pause(writeEveryMs);
    }
  })();
  try {
    const working = work((make) => new Promise((committed) => queue.push({ make, committed })));
    // A writer that fails makes the fault fail, because nothing it was asked for would come.
    await Promise.race([working, writing]);
  } finally {
    isOver = true;
    await writing;
  }
}

/** Until then the relay may read them again, and no command touches them. */
function untilOpen(arena: Arena, events: readonly OutboxEvent[]): Promise<void> {
  const ids = events.map(({ id }) => id);
  return waitFor(
    async () =>
      (await count(
        arena,
        `select from outbox.dead_letter as letter
         where letter.slot = $1 and event_id = any ($2) and status = 'open' and ${isSettled}`,
        [ids],
      )) === ids.length,
    'the dead letters',
    patienceMs,
  );
}

async function count({ pool, slot }: Arena, text: string, values: readonly unknown[]): Promise<number> {
  return (await pool.query(text, [slot, ...values])).rowCount ?? 0;
}

function fix(arena: Arena, { id, seq }: OutboxEvent): Promise<void> {
  return insist(arena, 'fix', id, '--patch', JSON.stringify([{ op: 'replace', path: '/seq', value: seq }]));
}

/** A command may be refused until the progress covers the event, or while the key is being released. */
async function insist({ relays, pause }: Arena, ...args: readonly string[]): Promise<void> {
  const untilMs = performance.now() + patienceMs;
  for (;;) {
    try {
      await relays.command('dead-letters', ...args);
      return;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await pause(100);
    }
  }
}
