/**
 * Owns the buffers that record batches are written into, so that a steady stream allocates none. A batch takes a buffer
 * while it fills and returns it after the broker has answered. Sizes are powers of two, so that buffers are
 * interchangeable.
 */

/** A transaction of a few events uses one buffer per partition: 100 partitions take 1.6 MiB. */
const smallestBytes = 16 * 1024;

/**
 * Two batches of the default size (1 MiB) in half-full buffers take 4 MiB. The pool keeps twice that and frees the
 * rest.
 */
const maxIdleBytes = 8 * 1024 * 1024;

export class BufferPool {
  readonly #idle = new Map<number, Buffer[]>();
  #idleBytes = 0;

  /** Bytes kept for reuse. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A buffer of at least that size. Its content is undefined. */
  take(leastBytes: number): Buffer {
    const size = sizeFor(leastBytes);
    const known = this.#idle.get(size)?.pop();
    if (known === undefined) return Buffer.allocUnsafeSlow(size);
    this.#idleBytes -= size;
    return known;
  }

  /**
   * Call it only when nothing reads the buffer any more: a socket that still writes it would send the next batch's
   * bytes.
   */
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
