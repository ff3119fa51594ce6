/**
 * Compiles the relay that is measured: what the package and the image run. From its sources, Node would take the types out
 * of each file at the start, which costs 29 MB of memory and 0.5 s of CPU that no user pays.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Run } from '../stack/run.ts';

const ownCheckout = path.join(import.meta.dirname, '..');
let compiled = 0;

/** @returns the folder that it is in. It lies in the checkout, whose libraries it needs, and goes with the run. */
export async function compileRelay(run: Run, checkout = ownCheckout): Promise<string> {
  compiled += 1;
  const folder = path.join(checkout, '.cache', `bench-${process.pid}-${compiled}`);
  run.addFolder(folder);
  const compiler = path.join(checkout, 'node_modules/typescript/bin/tsc');
  const args = [compiler, '-p', 'tsconfig.build.json', '--outDir', folder];
  await promisify(execFile)(process.execPath, args, { cwd: checkout });
  return folder;
}
