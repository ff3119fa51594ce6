/** Sends to a page that may read slowly. Promise: of each kind of event one waits at most, the newest. */
import type { SSEStreamingApi } from 'hono/streaming';

export class Newest {
  readonly #stream: Pick<SSEStreamingApi, 'writeSSE'>;
  readonly #onGone: () => void;
  readonly #waiting = new Map<string, unknown>();
  #sending: Promise<void> | undefined;

  /** @param onGone when nothing can be sent any more */
  constructor(stream: Pick<SSEStreamingApi, 'writeSSE'>, onGone: () => void) {
    this.#stream = stream;
    this.#onGone = onGone;
  }

  /** @returns when all that waits is sent */
  send(event: string, data: unknown): Promise<void> {
    this.#waiting.set(event, data);
    this.#sending ??= this.#sendAll();
    return this.#sending;
  }

  async #sendAll(): Promise<void> {
    // Also what comes while it is sending.
    for (const [event, newest] of this.#waiting) {
      this.#waiting.delete(event);
      await this.#stream.writeSSE({ event, data: JSON.stringify(newest) }).catch(this.#onGone);
    }
    this.#sending = undefined;
  }
}
