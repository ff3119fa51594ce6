/** Owns names that no other test file uses on the shared servers. */
import { randomBytes } from 'node:crypto';

/** `name_1f2e3d4c`: fits a database, a role, a slot, a topic, a subject and a transactional id. */
export function unique(name: string): string {
  return `${name}_${randomBytes(4).toString('hex')}`;
}
