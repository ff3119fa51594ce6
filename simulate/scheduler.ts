/**
 * Virtual time: every future step waits here, and the earliest runs next. Delays come from the seed, and so does the order
 * of the steps. A step of a machine that is dead by then never runs; a step of a paused one waits.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** A process that runs relay code. */
export class Machine {
  readonly name: string;
  isDead = false;
  isPaused = false;
  /** Steps that were due while it was paused. */
  readonly held: Step[] = [];

  constructor(name: string) {
    this.name = name;
  }
}

export type Step = {
  atMs: number;
  order: number;
  readonly run: () => void;
  readonly machine: Machine | undefined;
  isCancelled: boolean;
};

/** The machine whose code runs now: the timers and connections that it creates are its own. */
export const running = new AsyncLocalStorage<Machine | undefined>();

export class Scheduler {
  nowMs = 0;
  steps = 0;
  #heap: Step[] = [];
  #order = 0;

  /** Runs `run` after a delay, in the machine if one is given. */
  after(delayMs: number, run: () => void, machine?: Machine): Step {
    return this.at(this.nowMs + Math.max(0, delayMs), run, machine);
  }

  at(atMs: number, run: () => void, machine?: Machine): Step {
    const step: Step = { atMs, order: this.#order++, run, machine, isCancelled: false };
    this.#push(step);
    return step;
  }

  /** When the next step is due; Infinity when there is none. */
  get nextMs(): number {
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  get isIdle(): boolean {
    return this.#heap.length === 0;
  }

  /** Takes the next step. @returns whether code of a machine ran, whose promises must settle before the next one */
  step(): boolean {
    const next = this.#pop();
    if (next === undefined) return false;
    this.nowMs = Math.max(this.nowMs, next.atMs);
    if (next.isCancelled) return false;
    const { machine } = next;
    if (machine?.isDead === true) return false;
    if (machine?.isPaused === true) {
      machine.held.push(next);
      return false;
    }
    this.steps += 1;
    if (machine === undefined) {
      next.run();
      return false;
    }
    running.run(machine, next.run);
    return true;
  }

  /** Delayed steps run in their original order. */
  resume(machine: Machine): void {
    machine.isPaused = false;
    for (const step of machine.held.splice(0)) {
      step.atMs = this.nowMs;
      step.order = this.#order++;
      this.#push(step);
    }
  }

  #push(step: Step): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(step);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(step, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = step;
  }

  #pop(): Step | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}

function isBefore(a: Step, b: Step): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
