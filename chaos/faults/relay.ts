/** The relay dies, stalls, meets another of itself, or runs out of something. */
import { failpoints } from '../../relay/failpoints.ts';
import type { Fault } from '../fault.ts';

/** Reached only when asked to end, by another failure, or only once in a slot's life. */
const special: ReadonlySet<string> = new Set(['SLOT_CREATED', 'SESSION_FAILED', 'DRAINING', 'DRAINED']);
/** Reached once in a session, the others with every batch. */
const oncePerSession: ReadonlySet<string> = new Set([
  'SLOT_TAKEN',
  'PRODUCER_FENCED',
  'CLAIM_COMMITTED',
  'CLAIM_READ',
  'LINEAGE_CHECKED',
  'FIRST_PROGRESS_COMMITTED',
  'DEAD_LETTERS_REREAD',
  'SLOT_MARKED',
]);

const killedAtFailpoints = failpoints
  .filter((name) => !special.has(name))
  .map(
    (name): Fault => ({
      name: `killed at ${name}`,
      class: 'relay',
      about: `SIGKILL at the failpoint ${name}, reached for a random time`,
      expect: 'recovers',
      isShort: name === 'COMMIT_SENT' || name === 'KAFKA_COMMITTED',
      async inject({ relays, random }) {
        const time = oncePerSession.has(name) ? 1 : random.integer(1, name.includes('E') ? 6 : 2);
        const relay = await relays.replace({ failpoint: `${name}:${time}` });
        await relay.exited;
      },
    }),
  );

export const relayFaults: readonly Fault[] = [
  ...killedAtFailpoints,
  {
    name: 'killed at a random instant',
    class: 'relay',
    about: 'SIGKILL at a random instant, three times, within and after its start',
    expect: 'recovers',
    isShort: true,
    async inject({ relays, random, pause }) {
      for (let times = 0; times < 3; times++) {
        await pause(random.integer(0, 1_200));
        await random.pick(relays.all)?.kill();
      }
    },
  },
];
