/** A thread that runs some seeds and tells their outcomes; see `seeds.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Chunk, Said } from './seeds.ts';
import { installVirtualTime } from './virtual-time.ts';

const { from, seeds, asked, isTraced } = workerData as Chunk;
// Before any other module reads the time.
installVirtualTime();
// The relay meets many errors in a run. Recording their stacks would cost a tenth of the time.
if (!isTraced) Error.stackTraceLimit = 0;
const { simulate } = await import('./run.ts');

const say = (said: Said) => parentPort!.postMessage(said);
const trace = isTraced ? { trace: (line: string) => say({ line }) } : {};
for (let seed = from; seed < from + seeds; seed++)
  say({ outcome: await simulate(seed, { ...asked, ...trace }) });
// Dead relays of these runs still wait for something.
process.exit(0);
