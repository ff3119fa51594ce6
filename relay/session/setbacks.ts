/**
 * Counts failures in a row: how long the relay pauses before the next session, and when it gives up. Reaching a state ends
 * no row, since a relay whose sessions fail one after another reaches every state again and again; only publishing does,
 * or another relay that is active. Pure.
 */
import type { Config } from '../config/config.ts';
import { backoffMs } from '../connect/backoff.ts';
import { RelayError } from '../errors.ts';

export class Setbacks {
  readonly #retry: Config['retry'];
  #failures = 0;
  /** Of these the last ones in which Kafka refused the records. */
  #refusals = 0;
  #latest: string | undefined;

  constructor(retry: Config['retry']) {
    this.#retry = retry;
  }

  /** A person is needed if Kafka refuses the same way each time, with nothing published between. */
  weigh(failure: RelayError): RelayError {
    this.#refusals = failure.code === 'PUBLISH_REFUSED' ? this.#refusals + 1 : 0;
    if (this.#refusals <= this.#retry.unclearAttempts) return failure;
    return new RelayError('KAFKA_UNSUITABLE', failure.message, { cause: failure, context: failure.context });
  }

  /**
   * The pause after one more failure.
   * @param latest the last progress in Kafka, as far as it was read
   */
  nextPauseMs(latest: string | undefined): number {
    this.#latest = latest;
    return backoffMs(this.#failures++, this.#retry);
  }

  /** Another relay is active. @returns whether it has published since the last look or failure */
  sawPeer(latest: string | undefined): boolean {
    this.#failures = 0;
    const hasPublished = latest !== this.#latest;
    this.#latest = latest;
    return hasPublished;
  }

  published(): void {
    this.#failures = 0;
    this.#refusals = 0;
  }
}
