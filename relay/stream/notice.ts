/** Wakes one waiter, by notice or by the clock. A notice that is given while nobody waits is kept for the next wait. */
export class Notice {
  #isGiven = false;
  #wake: (() => void) | undefined;

  give(): void {
    this.#isGiven = true;
    this.#wake?.();
  }

  /** Resolves at once if notice was given since the last wait; else on the next notice, or after `timeoutMs`. */
  async wait(timeoutMs?: number): Promise<void> {
    if (!this.#isGiven) await this.#sleep(timeoutMs);
    this.#isGiven = false;
  }

  #sleep(timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
