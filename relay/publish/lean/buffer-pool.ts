/**
 * Owns the buffers that record batches are written into, so that a steady stream allocates none: taken while a batch
 * fills, returned once the broker has answered for it. Sizes are powers of two, so any buffer of a size fits.
 */

/** A transaction of a few events has one buffer a partition: a hundred of them are 1.6 MiB. */
const smallestBytes = 16 * 1024;

/**
 * Two batches of the default size (1 MiB) with their buffers half full are 4 MiB; what is beyond twice that is let go.
 */
const maxIdleBytes = 8 * 1024 * 1024;

export class BufferPool {
  readonly #idle = new Map<number, Buffer[]>();
  #idleBytes = 0;

  /** What is kept for reuse. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A buffer of at least that size, with arbitrary content. */
  take(leastBytes: number): Buffer {
    const size = sizeFor(leastBytes);
    const known = this.#idle.get(size)?.pop();
    if (known === undefined) return Buffer.allocUnsafeSlow(size);
    this.#idleBytes -= size;
    return known;
  }

  /** Call it when nothing reads the buffer any more: a socket that still does would send the next content. */
  give(buffer: Buffer): void {
    if (this.#idleBytes + buffer.length > maxIdleBytes) return;
    const size = buffer.length;
    const known = this.#idle.get(size);
    if (known === undefined) this.#idle.set(size, [buffer]);
    else known.push(buffer);
    this.#idleBytes += size;
  }
}

function sizeFor(leastBytes: number): number {
  let size = smallestBytes;
  while (size < leastBytes) size *= 2;
  return size;
}
