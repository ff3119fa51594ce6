/**
 * Owns what it means that Postgres refuses a password which the relay asks for anew each time. When a password is changed,
 * Postgres and the file or the vault get the new one at different moments: kubelet alone brings a changed secret to a
 * mounted file up to two minutes later. So a process whose password was accepted before goes on for some time, and one
 * that was never accepted stops at once.
 */
import type { Config } from '../../config/config.ts';
import { messageOf, RelayError } from '../../errors.ts';
import { sqlStateOf } from './errors.ts';
import type { PasswordSource } from './password.ts';

/** invalid_password, and invalid_authorization_specification, which is what a token of IAM is refused with. */
const refusals: ReadonlySet<string | undefined> = new Set(['28P01', '28000']);

export class LatePassword {
  readonly #graceMs: number;
  readonly #now: () => number;
  #isAsked = false;
  #wasAccepted = false;
  #sinceMs: number | undefined;

  constructor(graceMs: number, now: () => number = () => performance.now()) {
    this.#graceMs = graceMs;
    this.#now = now;
  }

  /** The source, watched: a server that wants no password refuses for another reason. */
  watch(source: PasswordSource): PasswordSource {
    return (target) => {
      this.#isAsked = true;
      return source(target);
    };
  }

  accepted(): void {
    this.#wasAccepted = true;
    this.#sinceMs = undefined;
  }

  /** @returns the error, or one with which a retry makes sense */
  judge(error: unknown): unknown {
    if (!this.#isAsked || !this.#wasAccepted || !isRefusal(error)) return error;
    this.#sinceMs ??= this.#now();
    const refusedMs = this.#now() - this.#sinceMs;
    if (refusedMs >= this.#graceMs) return error;
    const leftSeconds = Math.ceil((this.#graceMs - refusedMs) / 1_000);
    return new RelayError(
      'CREDENTIALS_UNAVAILABLE',
      `Postgres refuses the password: ${messageOf(error)}; it accepted one of the same source before, so the relay asks again for ${leftSeconds} s (database.passwordGraceMs), and then stops`,
    );
  }
}

/** A password file that has no line for us, perhaps because it is being written, refuses us as well. */
function isRefusal(error: unknown): boolean {
  if (error instanceof RelayError) return error.code === 'POSTGRES_UNAUTHORIZED';
  return refusals.has(sqlStateOf(error));
}

/** One for all connections of a configuration. */
const known = new WeakMap<Config['database'], LatePassword>();

export function latePasswordOf(database: Config['database']): LatePassword {
  const late = known.get(database) ?? new LatePassword(database.passwordGraceMs);
  known.set(database, late);
  return late;
}
