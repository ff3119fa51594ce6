/**
 * Owns what a terminal shows of an answer while it is typed. Promise: no character of a password in it, whether of a URL or
 * of `password=`, and wherever the cursor is. The line keeps its length, so that the cursor stays where it belongs.
 */
import { Writable } from 'node:stream';

/**
 * A line that is being typed, with `*` for each character that may be of a password: all that follows `//user:`. Nobody
 * knows yet where it ends, since an `@` may be part of it, and a port looks the same.
 */
export function masked(text: string): string {
  return withoutParameter(
    text.replace(afterUser, (_, before: string, rest: string) => before + '*'.repeat(rest.length)),
  );
}

/** A whole address with `*` for each character of its password, which ends at the last `@`. */
export function withoutPassword(address: string): string {
  return withoutParameter(
    address.replace(afterUser, (_, before: string, rest: string) => {
      const end = rest.lastIndexOf('@');
      return before + (end === -1 ? '*'.repeat(rest.length) : '*'.repeat(end) + rest.slice(end));
    }),
  );
}

const afterUser = /(:\/\/[^/@:]*:)(.*)$/s;

const withoutParameter = (text: string): string =>
  text.replace(
    /(password=)([^&\s]*)/gi,
    (_, before: string, secret: string) => before + '*'.repeat(secret.length),
  );

/** What is being typed, as readline has it. */
export type Typed = { readonly line: string };

/** A terminal that shows the line of `typed` masked. Readline writes the line whole, or what was added at its end. */
export class MaskedTerminal extends Writable {
  readonly #terminal: NodeJS.WriteStream;
  #typed: Typed | undefined;
  readonly isTTY = true;

  constructor(terminal: NodeJS.WriteStream) {
    super();
    this.#terminal = terminal;
    terminal.on('resize', () => this.emit('resize'));
  }

  get columns(): number {
    return this.#terminal.columns;
  }

  show(typed: Typed): void {
    this.#typed = typed;
  }

  /** At once, not from the queue of a stream: what was written then belongs to the line as it is now. */
  override write(chunk: string | Uint8Array): boolean {
    return this.#terminal.write(this.#shown(chunk.toString()));
  }

  #shown(text: string): string {
    const line = this.#typed?.line ?? '';
    const secretless = masked(line);
    if (line === '' || secretless === line) return text;
    const at = text.lastIndexOf(line);
    if (at !== -1) return text.slice(0, at) + secretless + text.slice(at + line.length);
    if (line.endsWith(text)) return secretless.slice(-text.length);
    // What begins with a control character moves the cursor; anything else is part of the line.
    return text.charCodeAt(0) < 0x20 ? text : '*'.repeat(text.length);
  }
}
