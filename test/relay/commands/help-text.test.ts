import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { broken } from '../../../relay/commands/help-text.ts';
import { createProgram } from '../../../relay/commands/program.ts';

const every = (command: Command): Command[] => [command, ...command.commands.flatMap(every)];

test.each([80, 100])(
  'no line of any help is wider than %i, but examples, which are to be copied',
  async (width) => {
    const commands = every(await createProgram());
    expect(commands.length).toBeGreaterThan(30);
    const wide: string[] = [];
    for (const command of commands) {
      const parts: string[] = [];
      command.configureOutput({ getOutHelpWidth: () => width, writeOut: (part) => void parts.push(part) });
      command.outputHelp();
      wide.push(
        ...parts
          .join('')
          .split('\n')
          .filter((line) => line.length > width && !line.startsWith('  $ ')),
      );
    }
    expect(wide).toEqual([]);
  },
);

test('paragraphs flow, a meaning stays beside its name, and what has no name is a line of its own', () => {
  const text = `
One paragraph that
was broken elsewhere.

Names:
  first   what it
          means
  second  another
  only a line

Exit codes: 0 done · 1 findings

Examples:
  $ outbox-relay status    # an example that is longer than a line`;
  expect(broken(text, 24).split('\n')).toEqual([
    '',
    'One paragraph that was',
    'broken elsewhere.',
    '',
    'Names:',
    '  first   what it means',
    '  second  another',
    '  only a line',
    '',
    'Exit codes: 0 done ·',
    '1 findings',
    '',
    'Examples:',
    '  $ outbox-relay status    # an example that is longer than a line',
  ]);
});

test('where there is no room beside a name, its meaning stays one line', () => {
  const text = '  a name of some length  and what it means, at length';
  expect(broken(text, 30)).toBe(text);
  expect(broken(text, 45).split('\n')).toEqual([
    '  a name of some length  and what it means,',
    '                         at length',
  ]);
});
