/** Among those of the load, rows that are too large to be parsed as JSON in the memory of a small container. */
import type { Arena, Fault } from '../fault.ts';
import type { OutboxEvent } from '../load.ts';

const key = 'huge';

export const largeRowFaults: readonly Fault[] = [
  {
    name: 'huge rows',
    class: 'dead-letters',
    about:
      'rows of 24 MB of small values and of 50 MB of one text, in transactions with good events, to a relay with 400 MB of heap',
    expect: 'recovers',
    // Each takes some seconds in the database, in the driver and in the writer of this fault.
    withinMs: 60_000,
    world: { DEAD_LETTERS_STORM_PERCENT: 100 },
    firstRelay: { nodeFlags: ['--max-old-space-size=400'] },
    async inject(arena) {
      const values = huge(arena, new Array(8_000_000).fill({}));
      const text = huge(arena, 'x'.repeat(50_000_000));
      for (const refused of [values, text])
        await arena.load.commit([arena.load.event(key), refused, arena.load.event(key)]);
      const [relay] = arena.relays.all;
      await arena.untilCaughtUp(60_000);
      // Out of memory, it would have ended and been replaced by one that might publish after all.
      if (relay === undefined || arena.relays.all[0] !== relay)
        throw new Error('the relay ended because of a huge row');
    },
  },
];

function huge({ load }: Arena, note: unknown): OutboxEvent {
  const event = load.event(key, { isPoison: true });
  return { ...event, payload: { key, seq: event.seq, note } };
}
