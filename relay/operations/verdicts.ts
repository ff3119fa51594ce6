/** Every verdict of `status`, what it means, and how grave it is. Pure, without imports: pages in a browser use it too. */

/** Every verdict: whether it is good, and what it means. */
export const verdicts = {
  streaming: [true, 'a relay streams, and events are published as they come'],
  behind: [false, 'a relay streams, and its oldest unpublished event is older than a minute'],
  limited: [false, 'the rate limit holds events up'],
  paused: [false, 'a person has paused everything'],
  held: [false, 'the stream waits at an event of a topic that a person has paused'],
  failing: [false, 'a relay has the slot and retries something that fails'],
  starting: [false, 'a relay has taken the slot, and does not stream yet or has only just begun'],
  recovering: [false, 'the slot was lost, and a relay recovers by itself'],
  'not-streaming': [false, 'relays run, and none has the slot'],
  stopped: [false, 'the relay has stopped itself'],
  'no-relay': [false, 'no relay runs'],
  'never-started': [false, 'no relay has ever started on this slot'],
  'slot-lost': [false, 'the slot is lost or cannot be used'],
  unknown: [false, 'something reads the slot, and no relay says that it does'],
} as const satisfies Record<string, readonly [boolean, string]>;

export type VerdictName = keyof typeof verdicts;

/** Nothing is published, and nobody said so. */
export const troubles: ReadonlySet<VerdictName> = new Set([
  'failing',
  'not-streaming',
  'stopped',
  'no-relay',
  'slot-lost',
  'unknown',
]);

/** A relay streams, and what it does is known. */
export const streams: ReadonlySet<VerdictName> = new Set([
  'streaming',
  'behind',
  'limited',
  'paused',
  'held',
]);
