/**
 * Owns when the log says what failed beside a session that is only beginning. Promise: what stops the relay, such as a refused
 * password, is one line, and no failure that differs from it is left out. Who announces the relay or measures the WAL asks
 * Postgres before the session does, and meets the same refusal. So their lines wait for how the session fares, for some
 * seconds: a step that takes longer is a fact too.
 */
import { messageOf, type RelayError } from '../errors.ts';

type Held = { readonly failure: RelayError; readonly say: () => void };

export class BesideSession {
  #held: Held[] = [];
  #isBeginning = false;
  #fatal: RelayError | undefined;

  /** Says it now, or once it is known how the session fares. Failures that pass do not wait: they stop no relay. */
  failed(failure: RelayError, say: () => void): void {
    if (this.#fatal !== undefined && isSame(failure, this.#fatal)) return;
    if (this.#isBeginning && failure.class === 'stop') this.#held.push({ failure, say });
    else say();
  }

  /** A session begins. */
  begins(): void {
    this.#isBeginning = true;
  }

  /** The session streams, or waits for something else than what failed. */
  goesOn(): void {
    this.#isBeginning = false;
    const held = this.#held;
    this.#held = [];
    for (const { say } of held) say();
  }

  /** The line of `fatal` comes next. */
  stopped(fatal: RelayError): void {
    this.#fatal = fatal;
    this.#held = this.#held.filter(({ failure }) => !isSame(failure, fatal));
    this.goesOn();
  }
}

/** The messages of the relay name what it was doing; those of the driver do not. */
const isSame = (one: RelayError, other: RelayError) =>
  one.code === other.code && answer(one) === answer(other);

const answer = ({ cause, message }: RelayError) => (cause === undefined ? message : messageOf(cause));
