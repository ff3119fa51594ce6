/**
 * Owns the archive of a partition: a compressed file of JSON lines, written before the partition is dropped. Promise: what
 * the file holds was read back from the disk, and the partition is dropped only if it holds exactly these rows then.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type pg from 'pg';
import { RelayError } from '../errors.ts';
import type { Archived, Pages, Piece } from '../ledger/cleanup.ts';
import { readLines } from '../ledger/partition-lines.ts';
import { failpoint } from '../observe/failpoints.ts';

/** Half an hour after a process died, nobody writes its file any more. */
const staleAfterMs = 1_800_000;

/** Lines in any order: of the first 60 bits of the SHA-256 of each, the sum. The database computes the same. */
class Digest {
  rows = 0;
  sum = 0n;

  add(line: Uint8Array | string): void {
    this.rows += 1;
    this.sum += BigInt(`0x${createHash('sha256').update(line).digest('hex').slice(0, 15)}`);
  }
}

/**
 * @param directory must exist: a directory made here might be where a volume is not mounted
 * @returns the name of the file in the directory; undefined if the signal came first
 * @throws RelayError ARCHIVE_FAILED, POSTGRES_*
 */
export async function archivePartition(
  pool: pg.Pool,
  piece: Piece,
  directory: string,
  pages: Iterable<Pages>,
  signal: AbortSignal,
): Promise<Archived | undefined> {
  const temporary = join(directory, `.${piece.name}.${process.pid}.tmp`);
  try {
    await removeStale(directory, piece);
    const written = await write(temporary, linesOf(pool, piece, pages, signal));
    if (signal.aborted) return undefined;
    const found = await readBack(temporary);
    if (found.rows !== written.rows || found.sum !== written.sum)
      throw new RelayError('ARCHIVE_FAILED', `${temporary} does not hold what was written to it`);
    const { rows, sum: digest } = written;
    // Each relay writes a file of its own. One that does not drop the partition removes its file, and no other relay needs it.
    const name = `${piece.name}-${rows}-${randomBytes(4).toString('hex')}.jsonl.gz`;
    await rename(temporary, join(directory, name));
    await sync(directory);
    await failpoint('PARTITION_ARCHIVED');
    return { name, rows, digest };
  } catch (error) {
    throw translated(error, piece, directory);
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

/** The partition was not dropped. @throws RelayError ARCHIVE_FAILED */
export async function removeArchive(directory: string, { name }: Archived): Promise<void> {
  try {
    await rm(join(directory, name), { force: true });
  } catch (cause) {
    throw new RelayError('ARCHIVE_FAILED', `cannot remove ${join(directory, name)}`, { cause });
  }
}

async function* linesOf(
  pool: pg.Pool,
  piece: Piece,
  pages: Iterable<Pages>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (const some of pages) {
    if (signal.aborted) return;
    for await (const lines of readLines(pool, piece, some)) yield* lines;
  }
}

async function write(file: string, lines: AsyncIterable<string>): Promise<Digest> {
  const digest = new Digest();
  const noted = async function* () {
    for await (const line of lines) {
      digest.add(line);
      yield `${line}\n`;
    }
  };
  // Payloads are nobody else's business.
  await pipeline(Readable.from(noted()), createGzip(), createWriteStream(file, { mode: 0o600 }));
  await sync(file);
  return digest;
}

async function readBack(file: string): Promise<Digest> {
  const digest = new Digest();
  let rest: Buffer[] = [];
  await pipeline(createReadStream(file), createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        digest.add(Buffer.concat([...rest, chunk.subarray(from, end)]));
        rest = [];
        from = end + 1;
      }
      if (from < chunk.length) rest.push(chunk.subarray(from));
    }
  });
  if (rest.length > 0) digest.add(Buffer.concat(rest));
  return digest;
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What a process left that died. */
async function removeStale(directory: string, piece: Piece): Promise<void> {
  const prefix = `.${piece.name}.`;
  for (const name of await readdir(directory)) {
    if (!name.startsWith(prefix) || !name.endsWith('.tmp')) continue;
    const path = join(directory, name);
    const facts = await stat(path).catch(() => undefined);
    if (facts !== undefined && facts.mtimeMs < Date.now() - staleAfterMs) await rm(path, { force: true });
  }
}

function translated(error: unknown, { name }: Piece, directory: string): unknown {
  if (error instanceof RelayError || !(error instanceof Error) || !('syscall' in error)) return error;
  return new RelayError('ARCHIVE_FAILED', `cannot archive ${name} in ${directory}: ${error.message}`, {
    cause: error,
  });
}
