/**
 * Text for a terminal. Rows, headers and what servers answer are written by others, and a terminal acts on some
 * characters: it erases lines, sets its title, shows text in another order, or lets one line pass for several. And what it
 * does not show at all lets one name pass for another.
 */
import { styleText } from 'node:util';

const scriptsWithJoiners = `[${['Arabic', 'Devanagari', 'Bengali', 'Sinhala', 'Malayalam'].map((script) => `\\p{Script=${script}}`).join('')}]`;

/**
 * Control characters (those of C1 too, of which CSI is one), separators of lines, what turns the direction, and what has no
 * width: joiners, tags, fillers, selectors of a variant.
 */
const acting = new RegExp(
  [
    '[\\p{Cc}\\p{Zl}\\p{Zp}\\p{Bidi_Control}\\p{Default_Ignorable_Code_Point}\\uFFF9-\\uFFFB]',
    // But what belongs to a character that shows: the joiners of a family, the selector of a coloured heart, and the joiners
    // of scripts in which they change the letters.
    '(?<![\\p{Extended_Pictographic}\\p{Emoji_Modifier}]\\uFE0F?\\u200D(?=\\p{Extended_Pictographic}))',
    '(?<!\\p{Extended_Pictographic}[\\uFE0E\\uFE0F])',
    `(?<!${scriptsWithJoiners}[\\u200C\\u200D])`,
  ].join(''),
  'gu',
);

/** For a cell, or a value within a line: nothing in it begins another line. */
export function printable(value: string): string {
  return value.replace(acting, '·');
}

/** The same, cut for a column that is not to fill the screen. */
export function shortened(value: string, most = 60): string {
  const clean = printable(value);
  // Not within a character: half of one is stored as U+FFFD.
  return clean.length > most ? `${clean.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, '')}…` : clean;
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
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return json.replace(acting, (character) =>
    character === '\n' ? character : character.split('').map(escaped).join(''),
  );
}

/** A line of JSON whose strings are to be shown to people, by a program that reads it. */
export function withoutActing(json: string): string {
  return printable(json.trimEnd()).replace(
    /\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|u([0-9a-f]{4})|(.))/gi,
    (sequence, high?: string, low?: string, code?: string, letter?: string) => {
      if (letter !== undefined) return /[rbf]/.test(letter) ? '·' : sequence;
      const units = [high, low, code].filter((each) => each !== undefined);
      const character = String.fromCharCode(...units.map((each) => Number.parseInt(each, 16)));
      return printable(character) === '·' ? '·' : sequence;
    },
  );
}
