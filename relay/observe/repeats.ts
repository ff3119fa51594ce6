/**
 * Owns which of many equal lines are logged. An outage of hours is the same line again and again: the first three show that
 * it lasts, then one a minute that it still does. Promise: a failure of another kind is never left out.
 */
const firstLines = 3;
const intervalMs = 60_000;

export class Repeats {
  readonly #now: () => number;
  readonly #seen = new Map<string, { times: number; loggedMs: number; left: number }>();

  /** @param now ms on a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * @param what happens, such as `session`, and `kind` of it, such as the code of the failure
   * @returns how many were left out since the last line; undefined where this one is left out
   */
  next(what: string, kind: string): number | undefined {
    const key = `${what} ${kind}`;
    const before = this.#seen.get(key) ?? { times: 0, loggedMs: 0, left: 0 };
    const isLogged = before.times < firstLines || this.#now() - before.loggedMs >= intervalMs;
    const times = before.times + 1;
    if (!isLogged) {
      this.#seen.set(key, { ...before, times, left: before.left + 1 });
      return undefined;
    }
    this.#seen.set(key, { times, loggedMs: this.#now(), left: 0 });
    return before.left;
  }

  /** It works again: the next failure is a new one. */
  over(what: string): void {
    for (const key of this.#seen.keys()) if (key.startsWith(`${what} `)) this.#seen.delete(key);
  }
}
