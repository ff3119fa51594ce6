/**
 * Owns the wait at the gate: what is paused and what the rate limit holds up stays where it is in the stream, before the
 * relay decides anything about it. Promise: once `obey` resolves, nothing more is published to what is paused, and every
 * key that waits because its topic is set aside is stored.
 *
 * The gate is before the batch, not before its commit: what has passed is committed at once, so a pause leaves nothing
 * half-done, and the memory holds no events that were decided under what people said before.
 */
import type { Config } from '../config/config.ts';
import { rateLimitsOf } from '../config/rate-limits.ts';
import { loadOf } from '../encode/load.ts';
import type { EncodedEvent, OutboundRecord } from '../encode/record.ts';
import type { RelayError } from '../errors.ts';
import type { Control } from '../model/control.ts';
import { Gate, type Obstacle } from '../model/gate.ts';
import type { RelayObserver } from '../observe/observer.ts';
import { Notice } from './notice.ts';

/** How long the stream stands without a look at whether it still has the slot, and whether it may go. */
const lookMs = 1_000;

export type GatekeeperOptions = {
  /** As read before the session publishes anything. */
  readonly control: Control;
  readonly config: Config;
  readonly observer: RelayObserver;
  readonly ending: AbortSignal;
  /** Called while the stream stands still because somebody said so. */
  readonly onStanding: () => void;
  /** Of the stream, once it has failed. */
  readonly failure: () => RelayError | undefined;
};

/** `again` after a wait for somebody: what waited may have changed. `ended`: it may not go any more. */
export type Passage = 'passed' | 'again' | 'ended';

export class Gatekeeper {
  readonly gate: Gate;
  readonly #use: GatekeeperOptions;
  /** Another obstacle, or none, or the end: wakes what waits at the gate. */
  readonly #changed = new Notice();
  readonly #settled = new Notice();
  /** Counts what has passed the gate, and the last of it that is committed. */
  #passed = 0;
  #committed = 0;
  #obstacle: Obstacle | undefined;
  #stoodMs = 0;
  #said = '';

  constructor(options: GatekeeperOptions) {
    this.#use = options;
    this.gate = new Gate(options.control, rateLimitsOf(options.config), performance.now());
    this.#say(options.control);
  }

  /** Number of the last that has passed. */
  get passed(): number {
    return this.#passed;
  }

  /** What the stream waits for because somebody said so; undefined where nothing is in the way. */
  get obstacle(): Exclude<Obstacle['kind'], 'limited'> | undefined {
    return this.#obstacle?.kind === 'limited' ? undefined : this.#obstacle?.kind;
  }

  /** How long the stream has stood here, all in all. */
  get stoodMs(): number {
    return this.#stoodMs;
  }

  /** Whether the rate limit holds events up. */
  get isLimited(): boolean {
    return this.gate.isLimited(performance.now());
  }

  wake(): void {
    this.#changed.give();
    this.#settled.give();
  }

  /** Waits while everything is paused. */
  async whileAllPaused(): Promise<void> {
    while (this.gate.isAllPaused && !this.#use.ending.aborted)
      await this.#stand({ kind: 'paused', topic: null });
  }

  /**
   * Waits until events may go, and counts them against the rate. At once where nothing is in the way.
   * @param encoded refusals among them go nowhere
   * @throws RelayError the failure of the stream while something is paused
   */
  pass(encoded: readonly EncodedEvent[], parkedKeys: number): Passage | Promise<Passage> {
    return this.gate.isOpen ? this.#pass() : this.#passInTurn(encoded, parkedKeys);
  }

  /**
   * The same for events of which it is decided that they are published, as it is of those that a release found waiting.
   * `again` as well where somebody has set a topic of theirs aside since then, also during the wait here.
   * @throws RelayError the failure of the stream while something is paused
   */
  passDecided(records: readonly OutboundRecord[]): Passage | Promise<Passage> {
    return this.gate.isOpen ? this.#pass() : this.#passInTurn(records, 0, true);
  }

  async #passInTurn(
    encoded: readonly EncodedEvent[],
    parkedKeys: number,
    isDecided = false,
  ): Promise<Passage> {
    const load = loadOf(encoded, this.gate);
    for (let hasStood = false; ; ) {
      if (this.#use.ending.aborted) return 'ended';
      if (isDecided && [...load.topics].some((topic) => this.gate.isSetAside(topic))) return 'again';
      const obstacle = this.gate.obstacle(load, parkedKeys, performance.now());
      if (obstacle === undefined && hasStood) return 'again';
      if (obstacle === undefined) break;
      hasStood ||= obstacle.kind !== 'limited';
      await this.#stand(obstacle);
    }
    this.gate.take(load, performance.now());
    return this.#pass();
  }

  #pass(): Passage {
    this.#passed += 1;
    this.#obstacle = undefined;
    return 'passed';
  }

  /** Everything up to this number is committed. */
  committed(passed: number): void {
    if (passed <= this.#committed) return;
    this.#committed = passed;
    this.#settled.give();
  }

  /** Does what people say. Resolves when nothing that passed the gate before is still on its way. */
  async obey(control: Control): Promise<void> {
    this.gate.change(control, performance.now());
    this.#changed.give();
    const passed = this.#passed;
    while (this.#committed < passed && !this.#use.ending.aborted) await this.#settled.wait();
    if (!this.#use.ending.aborted) this.#say(control);
  }

  /**
   * Waits a while, or until what people say changes.
   * @throws RelayError the failure of the stream. It would not be noticed until somebody resumes, and another relay may
   * have the slot by then. Behind a rate limit the relay goes on to the place of the failure.
   */
  async #stand(obstacle: Obstacle): Promise<void> {
    this.#obstacle = obstacle;
    const failure = this.#use.failure();
    if (failure !== undefined && obstacle.kind !== 'limited') throw failure;
    if (obstacle.kind !== 'limited') this.#use.onStanding();
    const begunMs = performance.now();
    // The debt of a large transaction may take longer than a timer can: that one would fire at once, again and again.
    await this.#changed.wait(obstacle.kind === 'limited' ? Math.min(obstacle.waitMs, lookMs) : lookMs);
    this.#stoodMs += performance.now() - begunMs;
  }

  /** Once for each change, also for one by the clock, at the end of a pause. */
  #say(control: Control): void {
    const { limits } = this.gate;
    const said = JSON.stringify([control, limits]);
    if (said === this.#said) return;
    this.#said = said;
    this.#use.observer.controlled?.({ control, limits });
  }
}
