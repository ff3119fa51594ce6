/** Names of topics, and patterns of them as the settings have them. Pure. */

/** Kafka's rule for topic names. */
const legalTopic = /^[a-zA-Z0-9._-]{1,249}$/;

export function isLegalTopic(name: string): boolean {
  return legalTopic.test(name) && name !== '.' && name !== '..';
}

/**
 * `*` stands for any characters, but at the beginning not for `_`, with which topics that are not for events begin by
 * custom. Kafka's internal topics, the registry's and the progress topic are never matched, whatever the patterns say.
 */
export function allowList(patterns: readonly string[], progressTopic: string): RegExp {
  const escaped = patterns.map((pattern) => beyondInternal(pattern) + wildcard(pattern));
  return new RegExp(`^(?!__|_schemas$|${literal(progressTopic)}$)(?:${escaped.join('|')})$`);
}

/** A pattern in which `*` stands for any characters, as the source of a regular expression. */
export function wildcard(pattern: string): string {
  return pattern.split('*').map(literal).join('.*');
}

const beyondInternal = (pattern: string): string => (pattern.startsWith('*') ? '(?!_)' : '');

function literal(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
}
