/** A failpoint at which a process waits for the test, however long the test takes: `NAME:1:${gate.closed}`. */
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unique } from './unique.ts';

export class Gate implements Disposable {
  readonly #path = join(tmpdir(), unique('gate'));

  get closed(): string {
    return `until:${this.#path}`;
  }

  open(): void {
    writeFileSync(this.#path, '');
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { force: true });
  }
}
