/** Owns where things may be kept on disk: one folder, git-ignored, that can be deleted at any time. */
import path from 'node:path';

/** Absolute path of the cache folder: `OUTBOX_RELAY_CACHE`, or `.cache` in the project. */
export function cacheFolder(): string {
  return path.resolve(process.env.OUTBOX_RELAY_CACHE ?? path.join(import.meta.dirname, '..', '.cache'));
}
