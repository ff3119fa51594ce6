/** Owns a process of Apache Avro for Java, whose jar comes with the schema registry: a reader that shares nothing with us. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { serverSource } from '../../../../../stack/fetch.ts';
import { javaCommand } from '../../../../../stack/java.ts';

const program = fileURLToPath(new URL('AvroDecoder.java', import.meta.url));

/** Why there is none here, as one line; undefined when it can be started. A runtime without compiler runs no source. */
export async function missingJavaAvro(): Promise<string | undefined> {
  const source = await serverSource();
  if (source.kind !== 'jars') return 'the servers run in containers';
  const { stdout } = await promisify(execFile)(javaCommand(), ['--list-modules']);
  return stdout.includes('jdk.compiler') ? undefined : 'this Java has no compiler (a JDK is needed)';
}

export class JavaAvro implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #answers: AsyncIterator<string>;

  private constructor(classPath: string) {
    const args = ['-XX:+UseSerialGC', '-Xmx256m', '-cp', classPath, program];
    this.#child = spawn(javaCommand(), args, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#exited = once(this.#child, 'exit');
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  static async start(): Promise<JavaAvro> {
    const source = await serverSource();
    if (source.kind !== 'jars') throw new Error('the servers run in containers');
    return new JavaAvro(path.join(path.dirname(source.registryJar), 'lib', '*'));
  }

  /** What the bytes mean under the schema, in the form of `Value.meaning`; text that says why where it cannot tell. */
  async decode(schemaText: string, bytes: Buffer): Promise<unknown> {
    this.#child.stdin!.write(`${schemaText}\n${bytes.toString('hex')}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('Java ended');
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end();
    await this.#exited;
  }
}
