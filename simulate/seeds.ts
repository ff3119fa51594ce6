/**
 * Owns the threads that run the seeds. Each thread has a clock and a chance of its own, runs some seeds, and ends: relays
 * that die in a run leave promises behind which nobody will ever settle, and only the end of the thread frees those.
 */
import { Worker } from 'node:worker_threads';
import type { AskedWeather } from './kafka/weather.ts';
import type { Outcome } from './run.ts';

/** What a thread is to do. With a trace it says each step. */
export type Chunk = {
  readonly from: number;
  readonly seeds: number;
  readonly asked: AskedWeather;
  readonly isTraced: boolean;
};

export type Said = { readonly outcome: Outcome } | { readonly line: string };

/** A thread takes a second to start, and a seed leaves 4 MB behind. */
const chunkSeedsMax = 100;

export type SeedsOptions = Chunk & {
  readonly jobs: number;
  /** @returns whether to go on */
  readonly onOutcome: (outcome: Outcome) => boolean;
  readonly onLine?: (line: string) => void;
};

/** @throws what ended a thread before its seeds */
export async function runSeeds({ from, seeds, asked, isTraced, jobs, ...on }: SeedsOptions): Promise<void> {
  const chunkSeeds = Math.min(chunkSeedsMax, Math.ceil(seeds / jobs));
  let next = from;
  let goesOn = true;
  const workers = new Set<Worker>();
  const stop = () => {
    goesOn = false;
    for (const worker of workers) void worker.terminate();
  };
  const run = (chunk: Chunk) =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL('./chunk.ts', import.meta.url), { workerData: chunk });
      workers.add(worker);
      let left = chunk.seeds;
      worker.on('message', (said: Said) => {
        if (!goesOn) return;
        if ('line' in said) return on.onLine?.(said.line);
        left -= 1;
        if (!on.onOutcome(said.outcome)) stop();
      });
      worker.on('error', reject);
      worker.on('exit', () => {
        workers.delete(worker);
        if (left === 0 || !goesOn) return resolve();
        reject(new Error(`a thread ended ${left} seeds before seed ${chunk.from + chunk.seeds}`));
      });
    });
  const work = async () => {
    while (goesOn && next < from + seeds) {
      const chunk = {
        from: next,
        seeds: Math.min(chunkSeeds, from + seeds - next),
        asked,
        isTraced,
      };
      next += chunk.seeds;
      await run(chunk);
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    stop();
  }
}
