/** Owns who has signed in with a token, in memory: a restart of the console signs everybody out. */
import { randomBytes } from 'node:crypto';
import type { Visitor } from './visitor.ts';

/** A working day, and somewhat more. */
const lifetimeMs = 12 * 3_600_000;
/** More than a company has operators; the oldest goes. */
const sessionsMax = 1_000;

export class Sessions {
  readonly #sessions = new Map<string, { readonly visitor: Visitor; readonly endsMs: number }>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  /** @returns its id, which the browser keeps as a cookie */
  begin(visitor: Visitor): string {
    if (this.#sessions.size >= sessionsMax) this.#sessions.delete(this.#sessions.keys().next().value!);
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(id, { visitor, endsMs: this.#nowMs() + lifetimeMs });
    return id;
  }

  find(id: string | undefined): Visitor | undefined {
    const session = id === undefined ? undefined : this.#sessions.get(id);
    if (session === undefined || session.endsMs > this.#nowMs()) return session?.visitor;
    this.#sessions.delete(id!);
    return undefined;
  }

  end(id: string | undefined): void {
    if (id !== undefined) this.#sessions.delete(id);
  }
}

export const sessionSeconds = lifetimeMs / 1_000;

/** Wrong tokens of one address before it has to wait. A person mistypes a few times; a program that guesses needs billions. */
const attemptsMax = 10;
const attemptsWindowMs = 60_000;
/** Addresses remembered; then all are forgotten, which costs nothing but a few more attempts. */
const addressesMax = 10_000;

/** Holds up who guesses tokens. */
export class Attempts {
  readonly #failures = new Map<string, { count: number; readonly sinceMs: number }>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  mayTry(address: string): boolean {
    const failures = this.#failures.get(address);
    if (failures !== undefined && this.#nowMs() - failures.sinceMs >= attemptsWindowMs) {
      this.#failures.delete(address);
      return true;
    }
    return (failures?.count ?? 0) < attemptsMax;
  }

  failed(address: string): void {
    if (this.#failures.size >= addressesMax) this.#failures.clear();
    const failures = this.#failures.get(address);
    if (failures === undefined) this.#failures.set(address, { count: 1, sinceMs: this.#nowMs() });
    else failures.count++;
  }
}
