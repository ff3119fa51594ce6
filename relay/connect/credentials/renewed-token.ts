/**
 * Owns when a token is asked for: one request at a time, before the current one expires, and with growing pauses while
 * that fails. A token that still counts is used for as long as no newer one can be had.
 */
import { asRelayError, type RelayError } from '../../errors.ts';
import { backoffMs, pause } from '../backoff.ts';
import type { Token, TokenSource } from './token.ts';

/** As Kafka's own client: the last fifth of a token's life is left for failed attempts. */
const renewAfter = 0.8;
/**
 * What is left of a token at least when it is handed out, if it lives that long at all: a session that is signed in with
 * it ends with it, and brokers let nobody sign in again within a second.
 */
const leftMs = 2_000;
/** What a token without a known end is used for. */
const unknownLifeMs = 60_000;
/** A token this close to its end may have expired when it arrives. */
const marginMs = 250;
const attemptsAtOnce = 3;
const retry = { initialDelayMs: 200, maxDelayMs: 10_000 };

export type RenewedTokenOptions = {
  /** Called once when a token that still counts cannot be renewed. */
  readonly onLate?: ((failure: RelayError, countsUntilMs: number) => void) | undefined;
  readonly now?: () => number;
  readonly wait?: (durationMs: number) => Promise<void>;
  readonly random?: () => number;
};

type Held = { readonly token: Token; readonly renewAtMs: number; readonly endsAtMs: number };

export class RenewedToken implements TokenSource {
  readonly #obtain: () => Promise<Token>;
  readonly #onLate: NonNullable<RenewedTokenOptions['onLate']>;
  readonly #now: () => number;
  readonly #wait: (durationMs: number) => Promise<void>;
  readonly #random: () => number;
  #held: Held | undefined;
  #underWay: Promise<Token> | undefined;
  #failure: RelayError | undefined;
  #failures = 0;
  #againAtMs = 0;

  /** @param obtain fails with a RelayError without a cause */
  constructor(obtain: () => Promise<Token>, options: RenewedTokenOptions = {}) {
    this.#obtain = obtain;
    this.#onLate = options.onLate ?? (() => {});
    this.#now = options.now ?? Date.now;
    this.#wait = options.wait ?? pause;
    this.#random = options.random ?? Math.random;
  }

  async get(): Promise<Token> {
    const now = this.#now();
    const held = this.#held;
    if (held !== undefined && now < held.renewAtMs) return held.token;
    const counts = held !== undefined && now < held.endsAtMs;
    // During the pause every caller gets the same answer, without a request.
    if (this.#failure !== undefined && now < this.#againAtMs) {
      if (counts) return held.token;
      throw this.#failure;
    }
    this.#underWay ??= this.#renew(counts ? 1 : attemptsAtOnce).finally(() => {
      this.#underWay = undefined;
    });
    try {
      return await this.#underWay;
    } catch (error) {
      if (!counts || this.#held !== held || this.#now() >= held.endsAtMs) throw error;
      return held.token;
    }
  }

  refused(token: Token): void {
    if (this.#held?.token === token) this.#held = undefined;
  }

  async #renew(attempts: number): Promise<Token> {
    for (let attempt = 1; ; attempt++) {
      const askedMs = this.#now();
      try {
        const token = await this.#obtain();
        this.#hold(token, askedMs);
        return token;
      } catch (error) {
        const failure = asRelayError(error);
        const pauseMs = backoffMs(attempt - 1, { ...retry, maxDelayMs: 1_000 }, this.#random);
        if (failure.class === 'retry' && attempt < attempts) {
          await this.#wait(pauseMs);
          continue;
        }
        const isFirst = this.#failure === undefined;
        this.#failure = failure;
        this.#againAtMs = this.#now() + backoffMs(this.#failures++, retry, this.#random);
        const endsAtMs = this.#held?.endsAtMs ?? 0;
        if (isFirst && this.#now() < endsAtMs) this.#onLate(failure, endsAtMs);
        throw failure;
      }
    }
  }

  #hold(token: Token, askedMs: number): void {
    const endsAtMs = token.expiresAtMs ?? askedMs + unknownLifeMs;
    const lifeMs = endsAtMs - askedMs;
    const renewAtMs = askedMs + Math.min(lifeMs * renewAfter, lifeMs - leftMs);
    this.#held = { token, renewAtMs, endsAtMs: endsAtMs - marginMs };
    this.#failure = undefined;
    this.#failures = 0;
    this.#againAtMs = 0;
  }
}
