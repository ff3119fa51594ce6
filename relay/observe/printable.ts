/**
 * Text for a terminal. Rows, headers and what servers answer are written by others, and a terminal acts on some
 * characters: it erases lines, sets its title, shows text in another order, or lets one line pass for several.
 */
import { styleText } from 'node:util';

/** Control characters (those of C1 too, of which CSI is one), separators of lines, and what turns the direction. */
const acting = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** For a cell, or a value within a line: nothing in it begins another line. */
export function printable(value: string): string {
  return value.replace(acting, '·');
}

/** The same, cut for a column that is not to fill the screen. */
export function shortened(value: string): string {
  const clean = printable(value);
  return clean.length > 60 ? `${clean.slice(0, 59)}…` : clean;
}

/** What `styleText` puts around a colour of ours, where it puts anything. */
const colours = (['red', 'green', 'yellow'] as const)
  .flatMap((colour) => styleText(colour, ' ', { validateStream: false }).split(' '))
  .map((sequence) => sequence.replace('[', '\\['));
const keptIn = (text: string) => new RegExp(`(${text})`, 'u');
const plain = keptIn('[\\n\\t]');
const coloured = keptIn(`[\\n\\t]|${colours.join('|')}`);

/** For a whole text of lines. Colours stay where the output has colours: all that a row can do with them is be red. */
export function printableText(text: string): string {
  const kept = styleText('red', 'x') === 'x' ? plain : coloured;
  return text
    .split(kept)
    .map((part, index) => (index % 2 === 1 ? part : printable(part)))
    .join('');
}

/** JSON that says the same and has no such character but the ends of lines: it may be printed at a terminal too. */
export function printableJson(json: string): string {
  return json.replace(acting, (character) =>
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A line of JSON whose strings are to be shown to people, by a program that reads it. */
export function withoutActing(json: string): string {
  return printable(json.trimEnd()).replace(
    /\\(?:u([0-9a-f]{4})|(.))/gi,
    (sequence, code?: string, letter?: string) => {
      if (code !== undefined)
        return printable(String.fromCharCode(Number.parseInt(code, 16))) === '·' ? '·' : sequence;
      return letter === 'r' || letter === 'b' || letter === 'f' ? '·' : sequence;
    },
  );
}
