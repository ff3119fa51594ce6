/** A relay as a process of its own, with the heap of a small container, whose memory is looked at while it runs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { nodeFlags } from '../relay/config/node-flags.ts';

const mainFile = path.join(import.meta.dirname, '..', 'relay', 'main.ts');

/** That of a container of 512 MB, which holds more than the heap; the setting of malloc is that of the Dockerfile. */
const heapMb = 400;

export class HostileRelay {
  /** Lines that tell of an error, as they are logged. */
  readonly errors: string[] = [];
  readonly exited: Promise<string>;
  /** How often it began to stream; more than once means that a session failed. */
  sessions = 0;
  readonly #child: ChildProcess;
  readonly #streaming = Promise.withResolvers<void>();
  #rssMb = 0;

  constructor(env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, [...nodeFlags, `--max-old-space-size=${heapMb}`, mainFile, 'run'], {
      env: { PATH: process.env.PATH ?? '', MALLOC_ARENA_MAX: '2', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = once(this.#child, 'exit').then(([code, signal]) => `code ${code}, signal ${signal}`);
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#read(line));
    createInterface({ input: this.#child.stderr! }).on('line', (line) => this.errors.push(line));
  }

  /** @throws when it ends before */
  async streaming(): Promise<void> {
    await Promise.race([this.#streaming.promise, this.#early()]);
  }

  async #early(): Promise<never> {
    throw new Error(`the relay ended: ${await this.exited}; ${this.errors.slice(-5).join('\n')}`);
  }

  /** Resident at most, in MB, so far. */
  peakMb(): number {
    try {
      const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
      this.#rssMb = Math.max(this.#rssMb, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
    } catch {
      // It has ended, or this is no Linux.
    }
    return this.#rssMb;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async stop(): Promise<void> {
    if (!this.hasEnded) this.#child.kill('SIGTERM');
    await this.exited;
  }

  #read(line: string): void {
    const { msg, err } = JSON.parse(line) as { msg: string; err?: { code: string } };
    if (err !== undefined) this.errors.push(line);
    // Other lines have the state beside another message.
    if (msg !== 'streaming') return;
    this.sessions += 1;
    this.#streaming.resolve();
  }
}
