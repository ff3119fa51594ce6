/**
 * Owns an archive of the classes that a broker loads (class data sharing of the JVM), made once for each version of Kafka
 * and Java. With it a broker starts with half of the CPU time. For tests only: what is measured starts as in production.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { fillOnce } from './fill-once.ts';
import { javaVersion } from './java.ts';
import type { Progress } from './progress.ts';
import type { Run } from './run.ts';

/** Starts a broker with these arguments for its JVM, and ends it cleanly. */
export type LoadClasses = (run: Run, jvmArgs: readonly string[]) => Promise<void>;

let found: Promise<readonly string[]> | undefined;

/**
 * The arguments for the JVM of a broker; none where this JVM makes no archive. A JVM that an archive does not fit goes on
 * without it.
 * @param beginning of the path of the archive
 */
export function archiveArgs(
  beginning: string,
  load: LoadClasses,
  onProgress?: Progress,
): Promise<readonly string[]> {
  found ??= makeOnce(beginning, load, onProgress).catch(() => []);
  return found;
}

async function makeOnce(
  beginning: string,
  load: LoadClasses,
  onProgress?: Progress,
): Promise<readonly string[]> {
  const key = createHash('sha256')
    .update((await javaVersion()) ?? '')
    .digest('hex')
    .slice(0, 12);
  const archive = `${beginning}-${key}.jsa`;
  await fillOnce(
    archive,
    `the archive ${path.basename(archive)}`,
    async (run, target) => {
      onProgress?.('archiving the classes of Kafka (first time only)');
      await load(run, [`-XX:ArchiveClassesAtExit=${target}`]);
    },
    onProgress,
  );
  return [`-XX:SharedArchiveFile=${archive}`];
}
