import { expect, test } from 'vitest';
import { cellOf, tableOf, widthsOf } from '../../../../relay/commands/dead-letters/table.ts';

const message = `expected ${'one of many types '.repeat(20)}and found none`;
const rows = [
  ['POSITION', 'KEY', 'MESSAGE'],
  ['1', 'a', message],
  ['2', 'bc', 'short'],
];

test('a program reads the whole message, and whole cells', () => {
  const lines = tableOf(rows, undefined).split('\n');
  expect(lines[1]).toBe(`1         a    ${message}`);
  expect(cellOf('k'.repeat(500), undefined)).toHaveLength(500);
});

test.each([80, 120, 200])(
  'at a terminal of %i columns no line is longer, and no room is left unused',
  (screen) => {
    const lines = tableOf(rows, screen).split('\n');
    expect(lines[1]).toHaveLength(screen);
    expect(lines[1]).toMatch(/…$/);
    expect(lines[2]).toBe('2         bc   short');
  },
);

test('where the other columns fill a narrow terminal, the message keeps room to be read', () => {
  const wide = [['x'.repeat(60), 'y'.repeat(60), message]];
  expect(tableOf(wide, 80).slice(124)).toBe(`${message.slice(0, 39)}…`);
});

test('one long cell does not fill the lines of all the others with spaces', () => {
  const uneven = [
    ['k'.repeat(5_000), 'x'],
    ['k', 'x'],
  ];
  expect(tableOf(uneven, undefined).split('\n')[1]!.length).toBeLessThan(80);
  expect(widthsOf([['a', 'x']], [7])).toEqual([7]);
});

test('no cell acts on a terminal or begins a line', () => {
  const hostile = 'a\u001b[31m\nb\u202e';
  for (const screen of [undefined, 80])
    expect(tableOf([[cellOf(hostile, screen), hostile]], screen)).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
});
