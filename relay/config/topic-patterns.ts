/** Names of topics, and patterns of them as the settings have them. Pure. */

/** Kafka's rule for topic names. */
const legalTopic = /^[a-zA-Z0-9._-]{1,249}$/;

/** The default of kafka.progressTopic, and what it was when all slots shared one. */
const defaultProgress = '(?:outbox-relay\\.progress(?:\\.[a-z0-9_]{1,63})?)';

export function isLegalTopic(name: string): boolean {
  return legalTopic.test(name) && name !== '.' && name !== '..';
}

/**
 * `*` stands for any characters, but at the beginning not for `_`, with which topics that are not for events begin by
 * custom. Kafka's internal topics, the registry's and the progress topics, of the default names also those of other slots, are
 * never matched, whatever the patterns say.
 */
export function allowList(patterns: readonly string[], progressTopic: string): RegExp {
  const escaped = patterns.map((pattern) => beyondInternal(pattern) + wildcard(pattern));
  const progress = `(?:${literal(progressTopic)}|${defaultProgress})$`;
  return new RegExp(`^(?!__|_schemas$|${progress})(?:${escaped.join('|')})$`);
}

/** Whether it holds the progress of this slot, or, by the default names, of any. */
export function isProgressTopic(name: string, own: string): boolean {
  return name === own || new RegExp(`^${defaultProgress}$`).test(name);
}

/** A pattern in which `*` stands for any characters, as the source of a regular expression. */
export function wildcard(pattern: string): string {
  return pattern.split('*').map(literal).join('.*');
}

const beyondInternal = (pattern: string): string => (pattern.startsWith('*') ? '(?!_)' : '');

function literal(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
}
