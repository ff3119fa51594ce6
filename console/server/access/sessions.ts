/** Owns who has signed in with a token, in memory: a restart of the console signs everybody out. */
import { randomBytes } from 'node:crypto';
import type { Visitor } from './visitor.ts';

/** A working day, and somewhat more. */
const lifetimeMs = 12 * 3_600_000;
/** Of each role, so that nobody who may only look signs operators out. More than a company has people; the oldest goes. */
const sessionsMax = 1_000;

/** A clock that is set ends no session, and holds up nobody for longer. */
const monotonicMs = (): number => performance.now();

type Session = { readonly visitor: Visitor; readonly endsMs: number };

export class Sessions {
  /** In the order of their beginning, and so of their end. */
  readonly #sessions = new Map<string, Session>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = monotonicMs) {
    this.#nowMs = nowMs;
  }

  /** @returns its id, which the browser keeps as a cookie */
  begin(visitor: Visitor): string {
    for (const [id, { endsMs }] of this.#sessions) {
      if (endsMs > this.#nowMs()) break;
      this.#sessions.delete(id);
    }
    const ofRole = [...this.#sessions].filter(([, session]) => session.visitor.role === visitor.role);
    if (ofRole.length >= sessionsMax) this.#sessions.delete(ofRole[0]![0]);
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(id, { visitor, endsMs: this.#nowMs() + lifetimeMs });
    return id;
  }

  /** @returns undefined where nobody signed in with it, or that was too long ago */
  find(id: string | undefined): { readonly visitor: Visitor; readonly leftMs: number } | undefined {
    const session = id === undefined ? undefined : this.#sessions.get(id);
    if (session === undefined) return undefined;
    const leftMs = session.endsMs - this.#nowMs();
    if (leftMs > 0) return { visitor: session.visitor, leftMs };
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

  constructor(nowMs: () => number = monotonicMs) {
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
    const failures = this.#failures.get(address);
    if (failures !== undefined) {
      failures.count++;
      return;
    }
    if (this.#failures.size >= addressesMax) this.#failures.clear();
    this.#failures.set(address, { count: 1, sinceMs: this.#nowMs() });
  }
}
