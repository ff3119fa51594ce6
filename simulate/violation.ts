/** The invariants of the relay, by name. A report of a broken one uses the name. */
export const invariants = {
  I1: 'what is published is what was committed, without the dead letters',
  I2: 'each event once under read_committed',
  I3: 'the events of a key in the order of their commits',
  I4: 'the events of one Postgres transaction in one Kafka transaction, unless it exceeds the limit, or Kafka aborted it for its time',
  I5: 'the progress equals what is published, at every commit',
  I6: 'the relay acknowledges to Postgres only what a committed progress covers',
  I7: 'no reader at any moment sees an event twice or a key out of order',
  I8: 'after the last fault the relay catches up, or it has stopped with a code that says why',
  I9: 'each refused event is exactly one open dead letter, and no published event is one',
  I10: 'what a relay says that it obeys, it obeys: nothing is published to what is paused, and no more than the rate limit allows',
  I11: 'a refused event of a topic that is set aside keeps its place in the queue of its key, and what was repaired there is published there',
} as const;

export type Invariant = keyof typeof invariants;

export class Violation extends Error {
  readonly invariant: Invariant;

  constructor(invariant: Invariant, message: string) {
    super(message);
    this.invariant = invariant;
  }
}
