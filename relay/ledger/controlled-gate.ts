/**
 * The gate for work that publishes beside the stream, such as `recover` and `replay`: it reads what people say itself, and
 * waits. What the stream obeys, they obey.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { Gate, type Load, type Obstacle } from '../model/gate.ts';
import { readControl } from './control.ts';

/** How late it obeys at most. */
const lookMs = 1_000;

export class ControlledGate {
  readonly gate: Gate;
  readonly #pool: pg.Pool;
  readonly #slot: string;
  #readMs: number;

  private constructor(pool: pg.Pool, slot: string, gate: Gate) {
    this.gate = gate;
    this.#pool = pool;
    this.#slot = slot;
    this.#readMs = performance.now();
  }

  /** @throws RelayError POSTGRES_* */
  static async open(pool: pg.Pool, { slot, publish }: Config): Promise<ControlledGate> {
    const { maxEventsPerSecond, maxBytesPerSecond } = publish;
    const settings = { eventsPerSecond: maxEventsPerSecond, bytesPerSecond: maxBytesPerSecond };
    const gate = new Gate(await readControl(pool, slot.name), settings, performance.now());
    return new ControlledGate(pool, slot.name, gate);
  }

  /**
   * Waits until a load may go, and counts it against the rate. Call it before you decide anything about the events.
   * @param onObstacle called before each wait, of a second at most. What it throws ends the wait
   * @throws RelayError POSTGRES_*
   */
  async pass(load: Load, parkedKeys: number, onObstacle: (obstacle: Obstacle) => void): Promise<void> {
    for (;;) {
      if (performance.now() - this.#readMs >= lookMs) {
        this.gate.change(await readControl(this.#pool, this.#slot), performance.now());
        this.#readMs = performance.now();
      }
      const obstacle = this.gate.obstacle(load, parkedKeys, performance.now());
      if (obstacle === undefined) break;
      onObstacle(obstacle);
      await delay(obstacle.kind === 'limited' ? Math.min(lookMs, obstacle.waitMs) : lookMs);
    }
    this.gate.take(load, performance.now());
  }
}
