/** Freezes a process for good: SIGSTOP reaches its threads one by one, and until then some of them still answer. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { waitFor } from '../../harness/wait.ts';

const execFileAsync = promisify(execFile);

/** Resolves when no thread runs any more; `kill('SIGCONT')` lets them go on. */
export async function freeze(server: {
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
}): Promise<void> {
  server.kill('SIGSTOP');
  await waitFor(() => hasStopped(server.pid), `process ${server.pid} to stop`, 10_000);
}

async function hasStopped(pid: number): Promise<boolean> {
  const isStopped = (state: string | undefined) => state?.startsWith('T') === true;
  if (process.platform !== 'linux') {
    const { stdout } = await execFileAsync('ps', ['-o', 'stat=', '-p', String(pid)]);
    return isStopped(stdout.trim());
  }
  const threads = await readdir(`/proc/${pid}/task`);
  const stats = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8')),
  );
  // The name before the state is in brackets, and may hold brackets and spaces itself.
  return stats.every((stat) => isStopped(stat.slice(stat.lastIndexOf(')') + 2)));
}
