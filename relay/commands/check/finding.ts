/** What a precondition is: one small question with a verdict and, where it is red, the fix. */
import { asRelayError, type RelayError } from '../../errors.ts';

export type Verdict = {
  /** `warn`: it works, and something will hurt one day. `skipped`: the server did not answer an earlier question. */
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

export const ok = (message: string): Verdict => ({ status: 'ok', message });
export const warn = (message: string, fix: string): Verdict => ({ status: 'warn', message, fix });
export const fail = (message: string, fix: string): Verdict => ({ status: 'fail', message, fix });

/**
 * Asks one question after another; each has `timeoutMs` to answer. Once the server itself is the trouble, the rest is
 * skipped: twenty times the same red line would hide it.
 */
export async function* runChecks<Context>(
  server: Server,
  checks: readonly Check<Context>[],
  context: Context,
  timeoutMs: number,
): AsyncGenerator<Finding> {
  let isDown = false;
  for (const { name, run } of checks) {
    if (isDown) {
      yield { server, name, status: 'skipped', message: 'not asked' };
      continue;
    }
    const { verdict, isOutage } = await answerOf(run, context, timeoutMs);
    isDown = isOutage;
    yield { server, name, ...verdict };
  }
}

async function answerOf<Context>(
  run: Check<Context>['run'],
  context: Context,
  timeoutMs: number,
): Promise<{ verdict: Verdict; isOutage: boolean }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  try {
    const verdict = await Promise.race([run(context), late]);
    if (verdict !== undefined) return { verdict, isOutage: false };
    const fix =
      'The server accepts connections and does not answer; look at its log, or give it more --timeout.';
    return { verdict: fail(`no answer within ${timeoutMs / 1000} s`, fix), isOutage: true };
  } catch (error) {
    const failure = asRelayError(error);
    return { verdict: fail(failure.message, failure.hint), isOutage: isOutage(failure) };
  } finally {
    clearTimeout(timer);
  }
}

function isOutage({ code }: RelayError): boolean {
  return code.endsWith('_UNAVAILABLE');
}
