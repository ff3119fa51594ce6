/** Owns how wide the help is: what stands below the options of a command is broken as they are. */
import type { AddHelpTextContext, Command } from 'commander';
import { wrap } from './format.ts';

/** Longer lines are hard to read, however wide the terminal is. */
const widthMax = 100;
/** Of what is no terminal, as commander takes it. */
const widthElsewhere = 80;
/** Less room makes a column of single words. */
const roomMin = 20;

/** Has the command break its help for the terminal. */
export function fitHelp(command: Command): void {
  // A terminal that does not know its size says 0.
  const { columns = 0 } = process.stdout;
  command.configureOutput({
    getOutHelpWidth: () => Math.min(columns > 0 ? columns : widthElsewhere, widthMax),
  });
}

/**
 * For `addHelpText`.
 * @param text paragraphs, whose line ends count for nothing, and indented lines: `  name   meaning`, with what is indented as
 * far as the meaning behind it. An example, which begins with `$`, stays as it is.
 */
export function helpText(text: string): (context: AddHelpTextContext) => string {
  return ({ command }) => broken(text, command.configureOutput().getOutHelpWidth?.() ?? widthElsewhere);
}

/** `  name   what it is`, or another indented line: what precedes the text, which its further lines are indented by. */
const indented = /^( {2,}(?:\S.*? {2,})?)(\S.*)$/;

export function broken(text: string, width: number): string {
  const lines: string[] = [];
  let lead = '';
  let words: string[] = [];
  const end = () => {
    // An exit code stays beside its meaning, and the point before the next one at the end of its line.
    const joined = (lead + words.join(' ')).replaceAll(' ·', '\u00a0·').replace(/(?<=· )(\d+) /g, '$1\u00a0');
    const fitting = width - lead.length < roomMin ? Number.POSITIVE_INFINITY : width;
    if (words.length > 0)
      lines.push(
        ...wrap(joined, fitting, ' '.repeat(lead.length)).map((line) => line.replaceAll('\u00a0', ' ')),
      );
    [lead, words] = ['', []];
  };
  for (const line of text.split('\n')) {
    const indent = line.length - line.trimStart().length;
    const hasName = lead.trim() !== '';
    const goesOn = words.length > 0 && line !== '' && indent === lead.length && (indent === 0 || hasName);
    if (goesOn) {
      words.push(line.trim());
      continue;
    }
    end();
    const [, before = '', rest] = indented.exec(line) ?? [];
    if (line === '' || isExample(line)) lines.push(line);
    else [lead, words] = [before, [rest ?? line]];
  }
  end();
  return lines.join('\n');
}

const isExample = (line: string): boolean => line.startsWith('  $ ');
