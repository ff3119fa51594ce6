/** Owns commands that print a password. What they print is in no message: neither the password nor their complaints. */
import { execFile } from 'node:child_process';
import { RelayError } from '../../errors.ts';

/** Tokens of cloud providers have some kilobytes. */
const outputMaxBytes = 64 * 1024;

/**
 * Runs the command without a shell, and gives what it prints on stdout without the line end.
 * @param setting that names the command, for the message
 * @throws RelayError CREDENTIALS_UNAVAILABLE if it fails or takes too long, CONFIG_INVALID if it cannot be started
 */
export function runForPassword(
  [program = '', ...args]: readonly string[],
  timeoutMs: number,
  setting: string,
): Promise<string> {
  const options = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: outputMaxBytes } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, options, (error, stdout) => {
      const password = stdout.replace(/\r?\n$/, '');
      const failure =
        error === null ? (password === '' ? 'printed nothing' : undefined) : describe(error, timeoutMs);
      if (failure === undefined) return resolve(password);
      const cannotStart = typeof error?.code === 'string' && /^E(NOENT|ACCES|PERM)$/.test(error.code);
      const code = cannotStart ? 'CONFIG_INVALID' : 'CREDENTIALS_UNAVAILABLE';
      reject(new RelayError(code, `the command ${program} of ${setting} ${failure}`));
    });
    child.stdin?.on('error', () => {}).end();
  });
}

function describe(
  { code, killed, signal }: { code?: string | number | null; killed?: boolean; signal?: string | null },
  timeoutMs: number,
): string {
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'printed more than 64 KB';
  if (typeof code === 'string') return `cannot be started: ${code}`;
  if (killed === true) return `printed no password within ${timeoutMs} ms`;
  if (typeof code === 'number') return `ended with exit code ${code}; run it by hand to see what it says`;
  return `was ended by ${signal ?? 'a signal'}`;
}
