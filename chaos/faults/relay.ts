/** The relay dies, stalls, competes with another relay, or runs out of a resource. */
import { setTimeout as delay } from 'node:timers/promises';
import type { RelayCrew } from '../../harness/relay-crew.ts';
import type { RelayProcess } from '../../harness/relay-process.ts';
import { type Failpoint, failpoints } from '../../relay/observe/failpoints.ts';
import type { Fault } from '../fault.ts';
import { waitFor } from '../machine.ts';
import { endWalsender } from './walsender.ts';

/**
 * When a streaming relay reaches each place. A relay that is to die where it never comes would live on, and the fault would
 * wait for its end; so the compiler asks for each new place. `special`: a fault below brings it there. `elsewhere`: another
 * command or setting reaches it, and the test of that kills it there.
 */
const reached: Readonly<Record<Failpoint, 'with a batch' | 'once a session' | 'special' | 'elsewhere'>> = {
  SLOT_CREATED: 'special',
  SLOT_TAKEN: 'once a session',
  PRODUCER_FENCED: 'once a session',
  CLAIM_COMMITTED: 'once a session',
  CLAIM_READ: 'once a session',
  LINEAGE_CHECKED: 'once a session',
  FIRST_PROGRESS_COMMITTED: 'once a session',
  DEAD_LETTERS_REREAD: 'once a session',
  SLOT_MARKED: 'once a session',
  TRANSACTION_RECEIVED: 'with a batch',
  TRANSACTION_ENCODED: 'with a batch',
  BATCH_TAKEN: 'with a batch',
  DEAD_LETTERS_STORED: 'with a batch',
  PARTITIONS_ADDED: 'with a batch',
  PART_WRITTEN: 'special',
  PROGRESS_SENT: 'with a batch',
  EVENTS_SENT: 'with a batch',
  COMMIT_SENT: 'with a batch',
  KAFKA_COMMITTED: 'with a batch',
  ACKNOWLEDGED: 'with a batch',
  HEARTBEAT_WRITTEN: 'with a batch',
  PROGRESS_COPIED: 'with a batch',
  REPLAY_RECORDED: 'elsewhere',
  REPLAY_LISTED: 'elsewhere',
  PARTITION_ARCHIVED: 'elsewhere',
  SESSION_FAILED: 'special',
  DRAINING: 'special',
  DRAINED: 'special',
};

/** Places at which chaos kills a relay. */
export const killedPlaces: readonly Failpoint[] = failpoints.filter((name) => reached[name] !== 'elsewhere');

const killedAtFailpoints = killedPlaces
  .filter((name) => reached[name] !== 'special')
  .map(
    (name): Fault => ({
      name: `killed at ${name}`,
      class: 'relay',
      about: `SIGKILL at the failpoint ${name}, on a random hit`,
      expect: 'recovers',
      isShort: name === 'COMMIT_SENT',
      // kafkajs adds the partitions within its send, with no place for a failpoint.
      ...(name === 'PARTITIONS_ADDED' ? { producer: 'lean' } : {}),
      async inject({ relays, random }) {
        const time = reached[name] === 'once a session' ? 1 : random.integer(1, name.includes('E') ? 6 : 2);
        const relay = await relays.replace({ failpoint: `${name}:${time}` });
        await relay.exited;
      },
    }),
  );

export const relayFaults: readonly Fault[] = [
  ...killedAtFailpoints,
  {
    name: 'killed at PART_WRITTEN',
    class: 'relay',
    about: 'SIGKILL between two of the ten parts of a transaction, which then comes as a whole',
    expect: 'recovers',
    isAlone: true,
    isShort: true,
    async inject({ relays, load, random }) {
      const { size } = relays;
      relays.size = 0;
      await Promise.all(relays.all.map((relay) => relay.kill()));
      await load.commit(Array.from({ length: 1_000 }, (_, n) => load.event(`part-${n % 7}`)));
      const relay = await relays.replace({ failpoint: `PART_WRITTEN:${random.integer(1, 9)}` });
      await relay.exited;
      relays.scale(size);
    },
  },
  {
    name: 'killed at SLOT_CREATED',
    class: 'relay',
    about: 'SIGKILL at the failpoint SLOT_CREATED, at the very first start',
    expect: 'recovers',
    firstRelay: { failpoint: 'SLOT_CREATED' },
    inject: async () => {}, // it was, before the first event
  },
  {
    name: 'killed at SESSION_FAILED',
    class: 'relay',
    about: 'SIGKILL at the failpoint SESSION_FAILED, after its walsender was ended',
    expect: 'recovers',
    async inject({ relays, pool, slot }) {
      const relay = await relays.replace({ failpoint: 'SESSION_FAILED' });
      await relays.untilActive();
      await endWalsender(pool, slot);
      await relay.exited;
    },
  },
  ...(['DRAINING', 'DRAINED'] as const).map(
    (name): Fault => ({
      name: `killed at ${name}`,
      class: 'relay',
      about: `SIGKILL at the failpoint ${name}, after SIGTERM under load`,
      expect: 'recovers',
      async inject({ relays }) {
        const relay = await relays.replace({ failpoint: name });
        await relays.untilActive();
        relay.signal('SIGTERM');
        await relay.exited;
      },
    }),
  ),
  {
    name: 'killed at random instants',
    class: 'relay',
    about: 'SIGKILL at a random instant, three times, within and after its start',
    expect: 'recovers',
    isShort: true,
    async inject({ relays, random, pause }) {
      for (let times = 0; times < 3; times++) {
        await pause(random.integer(0, 1_200));
        const { all } = relays;
        if (all.length > 0) await random.pick(all).kill();
      }
    },
  },
  {
    name: 'asked to end under load',
    class: 'relay',
    about: 'SIGTERM under load: it must exit with 0, and the next relay continues',
    expect: 'recovers',
    isShort: true,
    async inject({ relays }) {
      const relay = await relays.untilActive();
      relay.signal('SIGTERM');
      const { code } = await relay.exited;
      if (code !== 0) throw new Error(`SIGTERM ended in exit code ${code}`);
    },
  },
  {
    name: 'killed beside a standby',
    class: 'relay',
    about: 'SIGKILL while a standby waits, which takes over within 3 s',
    expect: 'recovers',
    withinMs: 3_000,
    isAlone: true,
    async inject({ relays }) {
      const active = await relays.untilActive();
      relays.scale(2);
      await untilStandby(relays);
      relays.size = 1;
      await active.kill();
    },
  },
  {
    name: 'three at once',
    class: 'relay',
    about:
      'three relays start at the same instant and compete for the slot; then the two that lose are killed',
    expect: 'recovers',
    async inject({ relays, untilCaughtUp }) {
      relays.size = 0;
      await Promise.all(relays.all.map((relay) => relay.kill()));
      relays.scale(3);
      const active = await relays.untilActive();
      await untilCaughtUp(patienceMs);
      relays.size = 1;
      await Promise.all(relays.all.filter((relay) => relay !== active).map((relay) => relay.kill()));
    },
  },
  {
    name: 'stopped until another takes over, then continued',
    class: 'relay',
    about:
      'SIGSTOP under load; a standby takes over; after SIGCONT, what the first still writes must not count',
    expect: 'recovers',
    isAlone: true,
    isShort: true,
    async inject({ relays, untilCaughtUp }) {
      const zombie = await relays.untilActive();
      relays.scale(2);
      await untilStandby(relays);
      zombie.signal('SIGSTOP');
      await untilCaughtUp(patienceMs);
      zombie.signal('SIGCONT');
      await endZombie(relays, zombie);
    },
  },
  ...(['EVENTS_SENT', 'COMMIT_SENT'] as const).map(
    (name): Fault => ({
      name: `stopped at ${name} until another takes over`,
      class: 'relay',
      about: `SIGSTOP at ${name}, in the middle of a Kafka transaction; a standby takes over; then SIGCONT`,
      expect: 'recovers',
      isAlone: true,
      async inject({ relays, random, untilCaughtUp }) {
        const zombie = await relays.replace({
          failpoint: `${name}:${random.integer(2, 9)}:block:2000`,
        });
        // It blocks until the signal is sent; how long it stands still then is up to the standby, which may start slowly.
        await zombie.atFailpoint('reached');
        zombie.signal('SIGSTOP');
        relays.scale(2);
        await untilCaughtUp(patienceMs);
        zombie.signal('SIGCONT');
        await zombie.atFailpoint('left');
        await endZombie(relays, zombie);
      },
    }),
  ),
  {
    name: 'event loop blocked for 15 s',
    class: 'relay',
    about: 'as a long synchronous computation does; no standby takes over',
    expect: 'recovers',
    isAlone: true,
    async inject({ relays, random }) {
      const relay = await relays.replace({
        failpoint: `TRANSACTION_RECEIVED:${random.integer(2, 40)}:block:15000`,
      });
      await relay.atFailpoint('left');
    },
  },
  {
    name: 'slow to commit, beyond the transaction timeout',
    class: 'relay',
    about: 'it waits 12 s before EndTxn, and Kafka aborts its transaction after 10 s',
    expect: 'recovers',
    isAlone: true,
    async inject({ relays, random }) {
      const relay = await relays.replace({ failpoint: `EVENTS_SENT:${random.integer(2, 9)}:pause:12000` });
      await relay.atFailpoint('left');
    },
  },
  {
    name: 'out of memory',
    class: 'relay',
    about: 'a heap of 28 MB, and transactions of 3,000 large events, until the runtime aborts',
    expect: 'recovers',
    isAlone: true,
    async inject({ relays, load }) {
      const relay = await relays.replace({
        nodeFlags: ['--max-old-space-size=28'],
        settings: { PUBLISH_PART_EVENTS: 20_000, PUBLISH_BATCH_EVENTS: 10_000 },
      });
      await relays.untilActive();
      for (let times = 0; times < 3 && !relay.hasEnded; times++)
        await load.commit(
          Array.from({ length: 3_000 }, (_, n) => load.event(`large-${n % 50}`, { note: 'x'.repeat(900) })),
        );
      if (!relay.hasEnded) await relay.kill();
    },
  },
  {
    name: 'no room for its log',
    class: 'relay',
    about: 'stdout is a full device (/dev/full); the relay must go on publishing',
    expect: 'recovers',
    isAlone: true,
    async inject({ relays, untilCaughtUp }) {
      const relay = await relays.replace({ log: '/dev/full' });
      await untilCaughtUp(patienceMs);
      if (relay.hasEnded) throw new Error(`the relay ended: ${relay.stderr.slice(0, 500)}`);
      await relay.kill();
    },
  },
];

/** For what must happen, however slow the machine. */
const patienceMs = 40_000;

/** A moment for the standby to have read the progress, and to wait for the slot. */
async function untilStandby(relays: RelayCrew): Promise<void> {
  await waitFor(() => relays.all.some(({ state }) => state === 'standby'), 'a standby', patienceMs);
  await delay(500);
}

/** It must notice that it was replaced; then there is one relay again. */
async function endZombie(relays: RelayCrew, zombie: RelayProcess): Promise<void> {
  await waitFor(
    () => zombie.state !== 'streaming' || zombie.hasEnded,
    'the zombie to notice that it was replaced',
    patienceMs,
  );
  relays.size = 1;
  await zombie.kill();
}
