/**
 * Owns what a terminal shows of an answer while it is typed. Promise: no character of a password in it, whether of a URL or
 * of `password=`, and wherever the cursor is. The line keeps its length, so that the cursor stays where it belongs.
 */
import { Writable } from 'node:stream';
import { isSecretKey } from '../config/secret-keys.ts';

/**
 * A line that is being typed, with `*` for each character that may be of a password: all behind the first `:` of an
 * address. Nobody knows yet where a password ends, since `@` and `/` may be part of it, and the digits of one look like a
 * port. Only behind an address of numbers, or localhost, which is the name of no user, comes a port for certain.
 */
export function masked(text: string): string {
  const at = isOfNoUser.test(text) ? text.length : colonOf(text).at;
  const from = Math.min(at, parameterAt(text));
  return text.slice(0, from) + '*'.repeat(text.length - from);
}

const isOfNoUser =
  /^[a-z][a-z\d+.-]*:\/\/(?:\[[\da-f:.]+\]|localhost|\d{1,3}(?:\.\d{1,3}){3})(?::\d{0,5})?(?:\/[^@]*)?$/i;

/** A whole address with `*` for each character of its password, which ends at the last `@`. */
export function withoutPassword(address: string): string {
  const { at, hasScheme } = colonOf(address);
  const last = address.lastIndexOf('@');
  const end = last < at ? address.length : last;
  const isPort = last === -1 && (!hasScheme || /^\d+(?:[/?]|$)/.test(address.slice(at)));
  const shown = isPort
    ? address
    : address.slice(0, at) + '*'.repeat(Math.max(0, end - at)) + address.slice(end);
  return shown.replace(parameters, (whole, key: string, value: string) =>
    isSecretKey(key) ? `${key}=${'*'.repeat(value.length)}` : whole,
  );
}

/** Behind the first colon that may end the name of a user; where there is none, the end of the text. */
function colonOf(text: string): { readonly at: number; readonly hasScheme: boolean } {
  const scheme = /^[a-z][a-z\d+.-]*:(?:\/\/|\/?$)/i.exec(text)?.[0] ?? '';
  // The colons of an address are those of no user.
  const [host = ''] = /^\[[\da-f:.]+\](?=[:/?]|$)/i.exec(text.slice(scheme.length)) ?? [];
  const colon = text.indexOf(':', scheme.length + host.length);
  return { at: colon === -1 ? text.length : colon + 1, hasScheme: scheme !== '' };
}

const parameters = /([^?&=\s]*)=([^&\s]*)/g;

/** Behind the first parameter that holds a secret. */
function parameterAt(text: string): number {
  const found = [...text.matchAll(parameters)].find(([, key]) => isSecretKey(key!));
  return found === undefined ? text.length : found.index + found[1]!.length + 1;
}

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

  /** Instead of the line that was typed last, of so many characters, which may have wrapped. */
  replaceLine(length: number, text: string): void {
    const rows = Math.floor(length / (this.columns || 80)) + 1;
    this.#terminal.write(`\x1b[${rows}A\r\x1b[0J${text}\n`);
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
