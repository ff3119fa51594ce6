/** What the system reports about a process (CPU time, memory) and this machine: /proc on Linux, `ps` elsewhere. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

/** USER_HZ, the unit of the times in /proc/<pid>/stat: 100 on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** User and system time of a process and its threads so far, in ms. Resolution 10 ms on Linux, macOS likewise. */
export async function cpuMs(pid: number): Promise<number> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15, the first after it is field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond;
  }
  const { stdout } = await execFileAsync('ps', ['-o', 'cputime=', '-p', String(pid)]);
  return (
    stdout
      .trim()
      .split(':')
      .reduce((seconds, part) => seconds * 60 + Number(part), 0) * 1_000
  );
}

/** Most memory resident at once so far, in MB; outside Linux what is resident now. */
export async function peakMemoryMb(pid: number): Promise<number> {
  if (process.platform === 'linux') {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
  }
  const { stdout } = await execFileAsync('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Math.round(Number(stdout) / 1_024);
}

/** Forgets the peak so far; only Linux can. */
export async function resetPeakMemory(pid: number): Promise<void> {
  if (process.platform === 'linux') await writeFile(`/proc/${pid}/clear_refs`, '5');
}

/** Time since the epoch in ms with fractions, the same in every thread. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

/**
 * Flushes what the previous competitor left in memory, so that the next does not pay for it: the perf client leaves 300
 * MB.
 */
export async function settleDisks(): Promise<void> {
  await execFileAsync('sync').catch(() => {}); // without it the figures vary more
}

export async function describeMachine(): Promise<Readonly<Record<string, unknown>>> {
  const commit = await execFileAsync('git', ['rev-parse', '--short', 'HEAD'], { cwd: import.meta.dirname })
    .then(({ stdout }) => stdout.trim())
    .catch(() => null);
  return {
    commit,
    at: new Date().toISOString(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: os.availableParallelism(),
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    loadBefore: os.loadavg()[0],
  };
}
