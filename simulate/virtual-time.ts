/**
 * Replaces the clock, the timers and the random numbers of this thread by those of a scheduler, as fake timers do in
 * tests. The code of the relay calls the same functions as always. Only for a thread that does nothing but simulate.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';
import { Random } from '../harness/random.ts';
import { running, Scheduler, type Step } from './scheduler.ts';

/** 2026-01-01, in ms since 1970. Any time is fine if it is the same in each run. */
const beginMs = 1_767_225_600_000;

type Source = { readonly scheduler: Scheduler; readonly random: Random };

/** Before the first run, and between two runs, time stands still. */
let source: Source = { scheduler: new Scheduler(), random: new Random(0) };

/** From now on, time and random numbers are those of this run. */
export function useTime(next: Source): void {
  source = next;
}

/** What Node's timers offer besides cancellation. */
class Timer {
  readonly step: Step;

  constructor(step: Step) {
    this.step = step;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

class Interval extends Timer {
  isCleared = false;
}

type Callback = (...args: unknown[]) => void;

function setTimer(callback: Callback, delayMs = 0, ...args: unknown[]): Timer {
  // Node takes no less than 1 ms.
  return new Timer(source.scheduler.after(Math.max(1, delayMs), () => callback(...args), running.getStore()));
}

function setIntervalTimer(callback: Callback, delayMs = 0, ...args: unknown[]): Interval {
  const { scheduler } = source;
  const machine = running.getStore();
  const tick = () => {
    if (interval.isCleared) return;
    callback(...args);
    scheduler.after(Math.max(1, delayMs), tick, machine);
  };
  const interval = new Interval(scheduler.after(Math.max(1, delayMs), tick, machine));
  return interval;
}

function clearTimer(timer: unknown): void {
  if (timer instanceof Interval) timer.isCleared = true;
  if (timer instanceof Timer) timer.step.isCancelled = true;
}

function delay<T>(delayMs = 1, value?: T, options: { signal?: AbortSignal } = {}): Promise<T | undefined> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason);
    const abort = () => {
      clearTimer(timer);
      reject(signal?.reason);
    };
    const timer = setTimer(() => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    }, delayMs);
    signal?.addEventListener('abort', abort, { once: true });
  });
}

const RealDate = Date;

class VirtualDate extends RealDate {
  constructor(...args: [] | [string | number | Date]) {
    super(args.length === 0 ? VirtualDate.now() : args[0]);
  }

  static override now(): number {
    return beginMs + Math.floor(source.scheduler.nowMs);
  }
}

/** Once for the thread. */
export function installVirtualTime(): void {
  const replace = (target: object, name: string, value: unknown) =>
    Object.defineProperty(target, name, { value, configurable: true, writable: true });
  replace(globalThis, 'setTimeout', setTimer);
  replace(globalThis, 'setInterval', setIntervalTimer);
  replace(globalThis, 'clearTimeout', clearTimer);
  replace(globalThis, 'clearInterval', clearTimer);
  replace(globalThis, 'Date', VirtualDate);
  replace(performance, 'now', () => source.scheduler.nowMs);
  replace(Math, 'random', () => source.random.fraction());
  replace(timersPromises, 'setTimeout', delay);
  replace(crypto, 'randomUUID', () => {
    const digits = () => source.random.integer(0, 0xffff).toString(16).padStart(4, '0');
    return `${digits()}${digits()}-${digits()}-${digits()}-${digits()}-${digits()}${digits()}${digits()}`;
  });
  syncBuiltinESMExports();
}
