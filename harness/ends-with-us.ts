/** Owns that a process which we start does not outlive us, however we end in the middle of our work. */
import type { ChildProcess } from 'node:child_process';

const running = new Set<ChildProcess>();

function endAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

export function endsWithUs(child: ChildProcess): void {
  // Listens only while there is one: test files that share a process each load this module.
  if (running.size === 0) process.on('exit', endAll);
  running.add(child);
  child.once('exit', () => {
    running.delete(child);
    if (running.size === 0) process.off('exit', endAll);
  });
}
