/** The web console of the demo, and the relay that stands by, so that the console has one to show. */
import { ConsoleProcess } from '../harness/console.ts';
import { type Addresses, type Environment, RelayProcess, relayEnv } from '../harness/relay-process.ts';
import { freePort } from '../stack/port.ts';
import { openRun, type Run } from '../stack/run.ts';

export class DemoConsole {
  readonly #run: Run;
  readonly #env: Environment;
  #url: string | undefined;

  /** Not started yet. Its run removes what it leaves, however this process ends. */
  static async prepare(addresses: Addresses): Promise<DemoConsole> {
    const env = relayEnv(addresses, {
      HTTP_PORT: await freePort(),
      CONSOLE_PORT: await freePort(),
      // There is nothing private in the demo.
      CONSOLE_OPERATE_PAYLOADS: 'full',
    });
    return new DemoConsole(await openRun(), env);
  }

  private constructor(run: Run, env: Environment) {
    this.#run = run;
    this.#env = env;
  }

  /** With the token; undefined before it is started. */
  get url(): string | undefined {
    return this.#url;
  }

  /** @returns where it is, with its token */
  async start(): Promise<string> {
    const { url, madeUpToken } = await ConsoleProcess.start({ env: this.#env, run: this.#run });
    this.#url = `${url}/#token=${madeUpToken}`;
    return this.#url;
  }

  startStandby(): void {
    new RelayProcess({ env: this.#env, run: this.#run });
  }

  /** Ends both. */
  end(): Promise<void> {
    return this.#run.end();
  }
}
