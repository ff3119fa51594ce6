/** A check: one small question about one server, its verdict and, where it is not met, the fix. */
import { asRelayError, type ErrorCode, hints, type RelayError } from '../../errors.ts';
import { hintOfFileByCode } from '../schemas/hint-of-file.ts';

export type Verdict = {
  /**
   * `warn`: the relay works, but something can go wrong later. `skipped`: nothing was looked at, since an earlier check met
   * the server as unreachable, or there is nothing to look at, or this role may not.
   */
  readonly status: 'ok' | 'warn' | 'fail' | 'skipped';
  readonly message: string;
  /** What to do, where it is not ok. */
  readonly fix?: string;
};

export type Check<Context> = {
  readonly name: string;
  /** An error it throws is a failure whose fix is the error's hint. */
  readonly run: (context: Context) => Promise<Verdict>;
};

export type Server = 'postgres' | 'kafka' | 'registry';

export type Finding = Verdict & { readonly server: Server; readonly name: string };

/** All of them, as `check --json` prints it. */
export type CheckReport = { readonly ok: boolean; readonly checks: readonly Finding[] };

export const ok = (message: string): Verdict => ({ status: 'ok', message });
export const warn = (message: string, fix: string): Verdict => ({ status: 'warn', message, fix });
export const skipped = (message: string): Verdict => ({ status: 'skipped', message });
export const fail = (message: string, fix: string): Verdict => ({ status: 'fail', message, fix });

/** Where the hint of an error sends people to this very command, or is about an event that failed. */
const insteadOfCheck: Partial<Record<ErrorCode, string>> = {
  POSTGRES_UNAUTHORIZED:
    'If Postgres refused the password, correct it where it comes from: DATABASE_URL, or database.password*. If pg_hba.conf has no entry for the role, add one. If the role lacks a right, run `outbox-relay migrate --roles` as the owner.',
  POSTGRES_UNSUITABLE: 'The message says what the server lacks, or what answers in its place.',
  POSTGRES_ROWS_HIDDEN: hints.POSTGRES_ROWS_HIDDEN.replace(' `outbox-relay check` names the tables.', ''),
  SCHEMA_INVALID: hintOfFileByCode('SCHEMA_INVALID'),
  REGISTRY_ANSWER_INVALID: hintOfFileByCode('REGISTRY_ANSWER_INVALID'),
  KAFKA_UNAUTHORIZED:
    'Correct the credentials (kafka.sasl*, kafka.ssl*), or grant the right that the message names. docs/guides/kafka.md lists the rights.',
  KAFKA_UNSUITABLE:
    'The message says what the cluster refuses: change that setting, or the one of the relay that asks for it.',
};

/** What to do about the failure of a check. An error that knows better than its code keeps its own hint. */
export const fixOf = ({
  code,
  hint = hints[code],
}: Pick<RelayError, 'code'> & Partial<Pick<RelayError, 'hint'>>): string =>
  hint === hints[code] ? (insteadOfCheck[code] ?? hint) : hint;

/**
 * Runs one check after another, each for at most `timeoutMs`. Once the server itself is the problem, the rest is skipped:
 * twenty times the same failure would hide it.
 */
export async function* runChecks<Context>(
  server: Server,
  checks: readonly Check<Context>[],
  context: Context,
  timeoutMs: number,
): AsyncGenerator<Finding> {
  let isDown = false;
  for (const [index, { name, run }] of checks.entries()) {
    if (isDown) {
      yield { server, name, status: 'skipped', message: 'skipped' };
      continue;
    }
    const { verdict, cause } = await answerOf(run, context, timeoutMs);
    // The first check is the connection itself: what fails there, a wrong password for instance, fails in every other.
    isDown = cause === 'outage' || (cause === 'error' && index === 0);
    yield { server, name, ...verdict };
  }
}

async function answerOf<Context>(
  run: Check<Context>['run'],
  context: Context,
  timeoutMs: number,
): Promise<{ verdict: Verdict; cause?: 'outage' | 'error' }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  try {
    const verdict = await Promise.race([run(context), late]);
    if (verdict !== undefined) return { verdict };
    const fix = 'The server accepts connections but does not answer. Look at its log, or raise --timeout.';
    return { verdict: fail(`no answer within ${timeoutMs / 1000} s`, fix), cause: 'outage' };
  } catch (error) {
    const failure = asRelayError(error);
    const cause = failure.entry.isOutage ? 'outage' : 'error';
    return { verdict: fail(failure.message, fixOf(failure)), cause };
  } finally {
    clearTimeout(timer);
  }
}
