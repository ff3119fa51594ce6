import { expect, test } from 'vitest';
import { createLogger } from '../../../relay/observe/log.ts';
import {
  printable,
  printableJson,
  printableText,
  shortened,
  withoutActing,
} from '../../../relay/observe/printable.ts';
import { actingIn, hostile } from '../../support/terminal.ts';

test('of a value nothing is left that a terminal acts on, and all else stays', () => {
  expect(actingIn(printable(hostile))).toBeUndefined();
  expect(printable(hostile)).not.toContain('\n');
  expect(printable('Zoë 👩‍👩‍👧 नमस्ते 日本')).toBe('Zoë 👩‍👩‍👧 नमस्ते 日本');
});

// Zero width, a soft hyphen, a tag, a filler, the mark of the order of bytes, selectors of a variant.
const invisible = [
  '\u200b',
  '\u200c',
  '\u200d',
  '\u2060',
  '\u00ad',
  '\u{e0041}',
  '\u3164',
  '\ufeff',
  '\ufe0f',
  '\u{e0100}',
];

test.each(invisible)('%j in a name is shown, since the name would pass for another', (character) => {
  const name = `or${character}der`;
  expect(printable(name)).toBe('or·der');
  const json = JSON.stringify({ name });
  expect(printableJson(json)).toMatch(/or(\\u[0-9a-f]{4})+der/);
  expect(JSON.parse(printableJson(json))).toEqual({ name });
  for (const line of [json, printableJson(json)])
    expect(JSON.parse(withoutActing(line))).toEqual({ name: 'or·der' });
});

test('what is not invisible stays: a heart, a family, a word with a joiner', () => {
  for (const text of ['❤️', '👩🏽‍🚀 👩‍❤️‍👩', 'می‌خواهم', 'क्‍ष', '😀'])
    expect([printable(text), withoutActing(JSON.stringify(text))]).toEqual([text, JSON.stringify(text)]);
  expect(withoutActing('"\\ud83d\\ude00"')).toBe('"\\ud83d\\ude00"');
});

test.each([57, 58, 59])(
  'a text is cut before a character, not within one: %d letters before it',
  (letters) => {
    const cut = shortened(`${'x'.repeat(letters)}😀${'y'.repeat(9)}`);
    expect(cut).toMatch(/^x+(?:😀)?…$|^x+😀y…$/u);
    expect(Buffer.from(cut).toString()).toBe(cut);
  },
);

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
