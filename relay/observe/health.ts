/**
 * Owns what `/livez` and `/readyz` say. Promise: a rolling deploy never stalls on a relay that waits in standby; a short
 * disturbance does not make a relay unready; a long one does, with its code and what to do about it. A disturbance ends
 * when something is published, not when a state is reached: a relay whose sessions fail one after another reaches every
 * state again and again, also when it takes turns with another relay.
 */
import type { Dependency, RelayError } from '../errors.ts';
import {
  activePauses,
  type Control,
  noControl,
  type Pause,
  type PauseScope,
  scopeOf,
} from '../model/control.ts';
import type { LastWords } from '../model/last-words.ts';
import { shownMessage } from './shown-text.ts';
import { type RelayState, relayWork } from './state.ts';

export type { RelayState } from './state.ts';

export type Readiness = {
  readonly ready: boolean;
  readonly state: RelayState;
  /** For a person: why it is ready or not. */
  readonly reason: string;
  /** ISO time at which the state was entered. */
  readonly since: string;
  /** The failure that persists, or that stopped the relay. */
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
    readonly failingSince: string;
  };
  /** What another relay of the slot said when it stopped itself. Absent once a relay streams. */
  readonly stoppedBefore?: LastWords;
  /** What somebody has paused. It is a reason to publish less, not a failure. */
  readonly paused?: readonly ShownPause[];
  /** What is being retried; absent while all works. */
  readonly retrying?: readonly Retry[];
};

/** `scope` is that of the metric `outbox_relay_paused`. */
type ShownPause = { readonly scope: PauseScope } & Pick<
  Pause,
  'topic' | 'mode' | 'person' | 'reason' | 'since' | 'until'
>;

/**
 * - `closed`: it works, or was not tried yet.
 * - `open`: it failed, and is not tried until the pause is over.
 * - `half_open`: it is being tried again.
 */
export const breakerStates = ['closed', 'open', 'half_open'] as const;
export type BreakerState = (typeof breakerStates)[number];

/** A server that failed and is retried. */
export type Retry = {
  readonly dependency: Dependency;
  /** Of the last failure. */
  readonly code: string;
  readonly breaker: Exclude<BreakerState, 'closed'>;
  /** ISO time of the first failure since it last worked. */
  readonly since: string;
  /** Failures since then. */
  readonly attempt: number;
  /** 0 during an attempt. */
  readonly nextAttemptInMs: number;
};

export type Liveness = { readonly live: boolean; readonly reason: string };

type Failing = { readonly code: string; readonly sinceMs: number; attempts: number; nextMs: number };

export class Health {
  readonly #notReadyAfterMs: number;
  readonly #now: () => number;
  #state: RelayState = 'standby';
  #sinceMs: number;
  /** `sinceMs` is of the first failure since something was published, `lastMs` of the latest. */
  #failure: { readonly error: RelayError; readonly sinceMs: number; readonly lastMs: number } | undefined;
  #isStopped = false;
  readonly #failing = new Map<Dependency, Failing>();
  #isPeerActive = false;
  #control: Control = noControl;
  #lastWords: LastWords | null = null;
  #waitingFor: string | undefined;
  #throttledUntilMs = 0;
  /** The stream waits at an event of a topic that somebody has paused. */
  #isHeld = false;
  /** It has streamed, or has seen another relay do so. From then on only a lasting failure makes it unready. */
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

  enter(state: RelayState): void {
    if (state !== this.#state) this.#sinceMs = this.#now();
    this.#state = state;
    if (state !== 'standby') this.#isPeerActive = false;
    this.#isHeld = false;
    // Another relay may be active now, and hear something else.
    if (state === 'standby') this.#control = noControl;
    if (state === 'streaming') {
      this.#hasArrived = true;
      this.#lastWords = null;
    }
  }

  /** What stopped another relay of the slot; null if a relay has streamed since. Only one that does not stream looks. */
  heardLastWords(words: LastWords | null): void {
    this.#lastWords = this.#state === 'streaming' ? null : words;
  }

  /**
   * An attempt failed and will be repeated. Time counts from the first failure since the last recovery.
   * @param retryInMs the pause before the next attempt
   */
  failing(error: RelayError, retryInMs = 0): void {
    this.#isPeerActive = false;
    const nowMs = this.#now();
    this.#failure = { error, sinceMs: this.#failure?.sinceMs ?? nowMs, lastMs: nowMs };
    const { dependency } = error.entry;
    const before = this.#failing.get(dependency);
    this.#failing.set(dependency, {
      code: error.code,
      sinceMs: before?.sinceMs ?? nowMs,
      attempts: (before?.attempts ?? 0) + 1,
      nextMs: nowMs + retryInMs,
    });
  }

  /**
   * Another relay has the slot: a reason to wait, not a failure. An earlier failure here counts until that relay publishes,
   * or has had the slot for `notReadyAfterMs`.
   */
  behindPeer(): void {
    this.#isPeerActive = true;
    this.#hasArrived = true;
    this.#failing.clear();
    if (this.#failure !== undefined && this.#now() - this.#failure.lastMs >= this.#notReadyAfterMs)
      this.recovered();
  }

  /** What is being retried now, by dependency. */
  retries(): Retry[] {
    const nowMs = this.#now();
    return [...this.#failing].map(([dependency, { code, sinceMs, attempts, nextMs }]) => ({
      dependency,
      code,
      breaker: nextMs > nowMs ? 'open' : 'half_open',
      since: iso(sinceMs),
      attempt: attempts,
      nextAttemptInMs: Math.max(0, nextMs - nowMs),
    }));
  }

  /** A step takes long and has not failed; undefined once it is over. */
  waitFor(what: string | undefined): void {
    this.#waitingFor = what;
  }

  /** Kafka does not let this client send for so long. */
  throttled(forMs: number): void {
    this.#throttledUntilMs = Math.max(this.#throttledUntilMs, this.#now() + forMs);
  }

  /** The failure is over: this relay, or the one it waits for, published something. */
  recovered(): void {
    this.#failing.clear();
    if (!this.#isStopped) this.#failure = undefined;
  }

  /** What people have told the relay. Only the active one hears it. */
  controlled(control: Control): void {
    this.#control = control;
  }

  /** @param isHeld whether the stream waits because somebody said so */
  held(isHeld: boolean): void {
    this.#isHeld = isHeld;
  }

  /** The relay stopped itself. */
  stopped(error: RelayError): void {
    this.#isStopped = true;
    this.#failing.clear();
    const nowMs = this.#now();
    this.#failure = { error, sinceMs: nowMs, lastMs: nowMs };
  }

  ready(): Readiness {
    const failure = this.#failure;
    const retrying = this.retries();
    const pauses = activePauses(this.#control).map(({ isOver: _, isReleasing: __, ...pause }) => ({
      scope: scopeOf(pause),
      ...pause,
    }));
    return {
      ...this.#verdict(),
      state: this.#state,
      since: iso(this.#sinceMs),
      ...(pauses.length === 0 ? {} : { paused: pauses }),
      ...(failure === undefined
        ? {}
        : {
            error: {
              code: failure.error.code,
              message: shownMessage(failure.error),
              hint: failure.error.hint,
              failingSince: iso(failure.sinceMs),
            },
          }),
      ...(retrying.length === 0 ? {} : { retrying }),
      ...(this.#lastWords === null ? {} : { stoppedBefore: this.#lastWords }),
    };
  }

  #verdict(): { ready: boolean; reason: string } {
    const failure = this.#failure;
    if (failure !== undefined && this.#isStopped)
      return { ready: false, reason: `stopped: ${failure.error.code}` };
    if (failure !== undefined && this.#failedForMs(failure) >= this.#notReadyAfterMs)
      return { ready: false, reason: `failing: ${failure.error.code}` };
    if (this.#state === 'draining') return { ready: false, reason: relayWork.draining };
    const reason =
      this.#waitingFor ?? (this.#isPeerActive ? 'another relay is active' : relayWork[this.#state]);
    const all = activePauses(this.#control).find(({ topic }) => topic === null);
    // Ready all the same: unready, it would stop a rolling deploy, and no restart resumes what a person has paused.
    if (all !== undefined)
      return { ready: this.#hasArrived, reason: `paused by ${all.person}: ${all.reason}` };
    if (this.#isHeld && this.#state === 'streaming')
      return { ready: this.#hasArrived, reason: 'streaming: waiting at an event of a paused topic' };
    // A standby does not wait for the slot then: nobody can ask for that while Postgres or Kafka is away.
    const isAway = this.#state === 'standby' && this.#failing.size > 0 && this.#waitingFor === undefined;
    // Nothing is published until it works again; the attempts go on.
    if (failure !== undefined && (this.#state === 'streaming' || isAway))
      return { ready: this.#hasArrived, reason: `${this.#state}: retrying after ${failure.error.code}` };
    const throttled = this.#now() < this.#throttledUntilMs ? '; Kafka throttles this client (quota)' : '';
    return { ready: this.#hasArrived, reason: `${this.#state}: ${reason}${throttled}` };
  }

  /** Nothing fails here while another relay has the slot. */
  #failedForMs({ sinceMs, lastMs }: { readonly sinceMs: number; readonly lastMs: number }): number {
    return (this.#isPeerActive ? lastMs : this.#now()) - sinceMs;
  }

  /**
   * Dead only if the relay stopped itself. A restart does not help in an outage, and a blocked event loop needs no flag: it
   * does not answer.
   */
  live(): Liveness {
    if (!this.#isStopped) return { live: true, reason: this.#state };
    return { live: false, reason: `stopped: ${this.#failure?.error.code ?? 'INTERNAL'}` };
  }
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
