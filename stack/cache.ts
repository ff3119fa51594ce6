/** Owns where things may be kept on disk: one folder, git-ignored, that can be deleted at any time. */
import { homedir } from 'node:os';
import path from 'node:path';

/** Absolute path of the cache folder: `OUTBOX_RELAY_CACHE`, or `.cache` in the project; of the package, the user's. */
export function cacheFolder(): string {
  const project = path.join(import.meta.dirname, '..', '.cache');
  const users = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'outbox-relay');
  return path.resolve(
    process.env.OUTBOX_RELAY_CACHE ?? (import.meta.filename.endsWith('.ts') ? project : users),
  );
}
