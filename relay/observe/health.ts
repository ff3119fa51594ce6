/**
 * What `/livez` and `/readyz` say. Promise: a rolling deploy never stalls on a relay that waits in standby, a short
 * disturbance does not make a relay unready, and a long one does, with its code and what to do about it.
 */
import type { RelayError } from '../errors.ts';
import type { RelayState } from './state.ts';

export type { RelayState } from './state.ts';

export type Readiness = {
  readonly ready: boolean;
  readonly state: RelayState;
  /** For a person: why it is ready or not. */
  readonly reason: string;
  /** ISO time at which the state was entered. */
  readonly since: string;
  /** The failure that goes on, or that stopped the relay. */
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
    readonly failingSince: string;
  };
};

export type Liveness = { readonly live: boolean; readonly reason: string };

const reasons: Readonly<Record<RelayState, string>> = {
  standby: 'waiting for the replication slot',
  fencing: 'fencing the predecessor',
  claiming: 'reading the progress',
  streaming: 'publishing events',
  draining: 'shutting down',
};

/** The slot or the producer belongs to another relay: the reason to wait, not a failure. */
const peerCodes: ReadonlySet<string> = new Set(['SLOT_IN_USE', 'PRODUCER_FENCED']);

export class Health {
  readonly #notReadyAfterMs: number;
  readonly #now: () => number;
  #state: RelayState = 'standby';
  #sinceMs: number;
  #failure: { readonly error: RelayError; readonly sinceMs: number } | undefined;
  #isStopped = false;
  #isPeerActive = false;
  /** It has streamed, or seen that another relay does: from then on only a lasting failure makes it unready. */
  #hasArrived = false;

  /** @param options.now for tests: milliseconds since the epoch. */
  constructor(options: { readonly notReadyAfterMs: number; readonly now?: () => number }) {
    this.#notReadyAfterMs = options.notReadyAfterMs;
    this.#now = options.now ?? Date.now;
    this.#sinceMs = this.#now();
  }

  get state(): RelayState {
    return this.#state;
  }

  /** `streaming` ends whatever was failing. */
  enter(state: RelayState): void {
    if (state !== this.#state) this.#sinceMs = this.#now();
    this.#state = state;
    if (state !== 'standby') this.#isPeerActive = false;
    if (state !== 'streaming') return;
    this.#hasArrived = true;
    this.recovered();
  }

  /** An attempt failed and will be repeated. The time counts from the first failure since the last recovery. */
  failing(error: RelayError): void {
    if (peerCodes.has(error.code)) {
      this.#isPeerActive = true;
      this.#hasArrived = true;
      this.recovered();
      return;
    }
    this.#isPeerActive = false;
    this.#failure = { error, sinceMs: this.#failure?.sinceMs ?? this.#now() };
  }

  /** What was failing works again. */
  recovered(): void {
    if (!this.#isStopped) this.#failure = undefined;
  }

  /** The relay stopped itself and will not go on. */
  stopped(error: RelayError): void {
    this.#isStopped = true;
    this.#failure = { error, sinceMs: this.#now() };
  }

  ready(): Readiness {
    const failure = this.#failure;
    return {
      ...this.#verdict(),
      state: this.#state,
      since: iso(this.#sinceMs),
      ...(failure === undefined
        ? {}
        : {
            error: {
              code: failure.error.code,
              message: failure.error.message,
              hint: failure.error.hint,
              failingSince: iso(failure.sinceMs),
            },
          }),
    };
  }

  #verdict(): { ready: boolean; reason: string } {
    const failure = this.#failure;
    if (failure !== undefined && this.#isStopped)
      return { ready: false, reason: `stopped: ${failure.error.code}` };
    if (failure !== undefined && this.#now() - failure.sinceMs >= this.#notReadyAfterMs)
      return { ready: false, reason: `failing: ${failure.error.code}` };
    if (this.#state === 'draining') return { ready: false, reason: reasons.draining };
    const reason = this.#isPeerActive ? 'another relay is active' : reasons[this.#state];
    return { ready: this.#hasArrived, reason: `${this.#state}: ${reason}` };
  }

  /**
   * Dead only when the relay stopped itself. An outage is no reason to be restarted, and a blocked event loop needs no
   * flag: it does not answer.
   */
  live(): Liveness {
    if (!this.#isStopped) return { live: true, reason: this.#state };
    return { live: false, reason: `stopped: ${this.#failure?.error.code ?? 'INTERNAL'}` };
  }
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
