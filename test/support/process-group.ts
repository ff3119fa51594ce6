/**
 * A process group as a terminal or a supervisor signals it: a wrapper that passes its signals on, as npm and npx do, and
 * below it the process itself. A signal to the group therefore arrives twice.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const wrapper = `
import { spawn } from 'node:child_process';
const child = spawn(process.execPath, process.argv.slice(1), { stdio: 'inherit' });
// Later, or two signals that wait at once would be one: on a busy machine a process may not run for a while.
const passOn = (signal) => setTimeout(() => {
  child.kill(signal);
  console.error('passed on');
}, 400);
process.on('SIGINT', passOn).on('SIGTERM', passOn);
child.on('exit', (code, signal) => process.exit(code ?? 'died of ' + signal));`;

export class ProcessGroup {
  /** Lines of standard output and standard error. */
  readonly said: string[] = [];
  /** The exit code of the process below the wrapper. */
  readonly ended: Promise<number>;
  readonly #leader: ReturnType<typeof start>;
  readonly #watchers = new Set<() => void>();

  /** @param args of Node */
  constructor(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#leader = start(args, env);
    for (const input of [this.#leader.stdout, this.#leader.stderr])
      createInterface({ input }).on('line', (line) => {
        this.said.push(line);
        for (const watcher of this.#watchers) watcher();
      });
    this.ended = once(this.#leader, 'close').then(([code]) => code as number);
  }

  /** Resolves with the first line, past or future, that fits. @throws when the process ends without one */
  async hears(fits: RegExp): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const look = () => {
      const line = this.said.find((each) => fits.test(each));
      if (line !== undefined) resolve(line);
    };
    this.#watchers.add(look);
    look();
    void this.ended.then((code) =>
      reject(new Error(`ended with ${code}, without ${fits}:\n${this.said.join('\n')}`)),
    );
    return promise.finally(() => this.#watchers.delete(look));
  }

  /** Ends its standard input. */
  finish(): void {
    this.#leader.stdin.end();
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(-this.#leader.pid!, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#leader.exitCode === null && this.#leader.signalCode === null) this.signal('SIGKILL');
    await this.ended;
  }
}

function start(args: readonly string[], env: NodeJS.ProcessEnv) {
  return spawn(process.execPath, ['--input-type=module', '-e', wrapper, '--', ...args], {
    detached: true,
    env,
  });
}
