import { expect, test } from 'vitest';
import { createLogger } from '../../../relay/observe/log.ts';
import { printable, printableJson, printableText } from '../../../relay/observe/printable.ts';
import { actingIn, hostile } from '../../support/terminal.ts';

test('of a value nothing is left that a terminal acts on, and all else stays', () => {
  expect(actingIn(printable(hostile))).toBeUndefined();
  expect(printable(hostile)).not.toContain('\n');
  expect(printable('Zoë 👩‍👩‍👧 नमस्ते 日本')).toBe('Zoë 👩‍👩‍👧 नमस्ते 日本');
});

test('of a text the ends of lines stay, and an escape that is no colour of ours does not', () => {
  expect(actingIn(printableText(`a\tb\n${hostile}`).replace('\t', ''))).toBeUndefined();
  expect(printableText('a\n\u001b[8mhidden\u001b[5m')).toBe('a\n·[8mhidden·[5m');
});

test('JSON says the same as before', () => {
  const json = JSON.stringify({ [hostile]: hostile }, null, 2);
  expect(actingIn(printableJson(json))).toBeUndefined();
  expect(JSON.parse(printableJson(json))).toEqual({ [hostile]: hostile });
});

test.each([true, false])('a log line, for a terminal: %s', (tty) => {
  const lines: string[] = [];
  const log = createLogger('info', { tty, destination: { write: (line: string) => void lines.push(line) } });
  log.warn({ key: hostile, err: new Error(hostile) }, 'refused');
  expect(lines.join('')).toContain('evil');
  expect(actingIn(lines.join(''))).toBeUndefined();
});
