/** The name by which a process signs the progress it writes: where it ran, what it was, and a part that never repeats. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

/** @param role the process id of a relay, or the command that wrote the progress */
export function instanceName(role: number | 'adopt' | 'recover' | 'replay'): string {
  return `${hostname()}/${role}/${randomUUID().slice(0, 8)}`;
}
