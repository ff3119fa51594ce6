/** Where every command prints: one writer for people, through which no character of a row acts on their terminal. */
import type { Command } from 'commander';
import { printableJson, printableText } from '../observe/printable.ts';

/** Has the command, and what commander prints for it, write through here. */
export function writeSafely(command: Command): void {
  command.configureOutput({
    writeOut: (text) => void process.stdout.write(safe(command, text)),
    writeErr: (text) => void process.stderr.write(printableText(text)),
  });
}

/** A line, or lines, of the command's output. */
export function print(command: Command, text: string): void {
  command.configureOutput().writeOut?.(`${text}\n`);
}

function safe(command: Command, text: string): string {
  return command.opts<{ json?: boolean }>().json === true ? printableJson(text) : printableText(text);
}
