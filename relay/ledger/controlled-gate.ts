/**
 * The gate for work that publishes beside the stream, such as `recover` and `replay`: it reads what people say itself, and
 * waits. What the stream obeys, they obey.
 */
import type pg from 'pg';
import { pause } from '../connect/backoff.ts';
import { type Control, noControl, type RateLimits } from '../model/control.ts';
import { Gate, type Load, type Obstacle } from '../model/gate.ts';
import { readControl } from './control.ts';

/** How late it obeys at most. */
const lookMs = 1_000;

export type ControlledGateOptions = {
  readonly pool: pg.Pool;
  readonly slot: string;
  readonly settings: RateLimits;
  /** Whether the rate that people set for the relay is about this work too. */
  readonly heedsLimits: boolean;
  /** Called with what it obeys from then on. */
  readonly onControl?: (control: Control) => void;
};

export class ControlledGate {
  readonly gate: Gate;
  readonly #options: ControlledGateOptions;
  #readMs: number;

  private constructor(options: ControlledGateOptions, control: Control) {
    this.#options = options;
    this.#readMs = performance.now();
    this.gate = new Gate(control, options.settings, this.#readMs);
  }

  /** @throws RelayError POSTGRES_* */
  static async open(options: ControlledGateOptions): Promise<ControlledGate> {
    return new ControlledGate(options, await read(options));
  }

  /**
   * Waits until a load may go, and counts it against the rate. Call it before you decide anything about the events.
   * @param parkedKeys that wait now; Infinity where none can be parked, so that what is set aside waits as if it was held
   * @param onObstacle called before each wait, of a second at most. What it throws ends the wait
   * @param signal ends the wait
   * @returns false if the signal came first
   * @throws RelayError POSTGRES_*
   */
  async pass(
    load: Load,
    parkedKeys: number,
    onObstacle: (obstacle: Obstacle) => void,
    signal?: AbortSignal,
  ): Promise<boolean> {
    while (signal?.aborted !== true) {
      if (performance.now() - this.#readMs >= lookMs) {
        this.gate.change(await read(this.#options), performance.now());
        this.#readMs = performance.now();
      }
      const obstacle = this.gate.obstacle(load, parkedKeys, performance.now());
      if (obstacle === undefined) {
        this.gate.take(load, performance.now());
        return true;
      }
      onObstacle(obstacle);
      const waitMs = obstacle.kind === 'limited' ? Math.min(lookMs, obstacle.waitMs) : lookMs;
      await pause(waitMs, signal);
    }
    return false;
  }
}

async function read({ pool, slot, heedsLimits, onControl }: ControlledGateOptions): Promise<Control> {
  const control = await readControl(pool, slot);
  onControl?.(control);
  return heedsLimits ? control : { ...control, limits: noControl.limits };
}
