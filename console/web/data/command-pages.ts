/** Where the console does what a command does, so that a page leads there instead of naming the command. Pure. */

export type CommandPage = { readonly title: string; readonly path: string };

type Rule = readonly [command: RegExp, page: (...found: string[]) => CommandPage];

const rules: readonly Rule[] = [
  [/^status\b/, () => ({ title: 'Now', path: '/' })],
  [/^check$/, () => ({ title: 'Check now', path: '/database#check' })],
  [/^cleanup --dry-run$/, () => ({ title: 'Preview cleanup', path: '/database' })],
  [/^verify$/, () => ({ title: 'Verify', path: '/audit' })],
  [/^audit --report$/, () => ({ title: 'Audit', path: '/audit' })],
  [/^pause\b/, () => ({ title: 'Pause', path: '/settings?open=pause' })],
  [/^resume(?: --topic (\S+))?$/, (topic) => ({ title: 'Resume', path: resumePath(topic) })],
  [/^rate-limit\b/, () => ({ title: 'Rate limit', path: '/settings?open=rate-limit' })],
  [/^dead-letters list\b/, () => ({ title: 'Dead letters', path: '/dead-letters' })],
  [
    /^dead-letters show ([\da-f]{16}\.[\da-f]{8})$/,
    (position) => ({ title: `dead letter ${position}`, path: `/dead-letters/${position}` }),
  ],
  [/^dead-letters release\b/, () => ({ title: 'Parked keys', path: '/parked-keys' })],
  [
    /^dead-letters (?:resubmit|discard|fix|try|groups)\b/,
    () => ({ title: 'Dead letters', path: '/dead-letters' }),
  ],
  [/^schemas (?:check|diff)\b/, () => ({ title: 'Schemas', path: '/schemas' })],
];

/** The dialog of a pause is there while the pause is; an ellipsis stands for whichever topic. */
const resumePath = (topic: string | undefined): string =>
  topic?.includes('…') === true
    ? '/settings'
    : `/settings?${new URLSearchParams({ open: `resume ${topic ?? ''}`.trim() })}`;

/** @param text as it stands between backticks in a sentence of the relay; @returns undefined where the console has none */
export function pageOf(text: string): CommandPage | undefined {
  const command = text.startsWith('dead-letters ') ? text : /^outbox-relay (.+)$/.exec(text)?.[1];
  if (command === undefined) return undefined;
  for (const [pattern, page] of rules) {
    const found = pattern.exec(command);
    if (found !== null) return page(...found.slice(1));
  }
  return undefined;
}
