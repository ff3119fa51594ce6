/** Names of topics, and patterns of them as the settings have them. Pure. */
import { slotNameMax } from './slot-name.ts';

/** Kafka's rule for topic names. */
const legalTopic = /^[a-zA-Z0-9._-]{1,249}$/;

/** The default of kafka.progressTopic, and what it was when all slots shared one. */
const defaultProgress = `(?:outbox-relay\\.progress(?:\\.[a-z0-9_]{1,${slotNameMax}}(?:-replay)?)?)`;

export function isLegalTopic(name: string): boolean {
  return legalTopic.test(name) && name !== '.' && name !== '..';
}

/**
 * `*` stands for any characters, but not for `_` at the beginning: by custom, names of internal topics start with it.
 * Whatever the patterns say, the internal topics of Kafka, the topic of the registry, and progress topics (with the default
 * names also those of other slots) never match.
 */
export function allowList(patterns: readonly string[], progressTopic: string): RegExp {
  const escaped = patterns.map((pattern) => beyondInternal(pattern) + wildcard(pattern));
  const progress = `(?:${literal(progressTopic)}|${literal(replayTopicOf(progressTopic))}|${defaultProgress})$`;
  return new RegExp(`^(?!__|_schemas$|${progress})(?:${escaped.join('|')})$`);
}

/** Where the progress of the slot's replays is. No slot has a name with a hyphen. */
export function replayTopicOf(progressTopic: string): string {
  return `${progressTopic}-replay`;
}

/** Whether a topic holds the progress of this slot or, under the default names, of any slot; or of their replays. */
export function isProgressTopic(name: string, own: string): boolean {
  return name === own || name === replayTopicOf(own) || new RegExp(`^${defaultProgress}$`).test(name);
}

/** A pattern in which `*` stands for any characters, as the source of a regular expression. */
export function wildcard(pattern: string): string {
  return pattern.split('*').map(literal).join('.*');
}

const beyondInternal = (pattern: string): string => (pattern.startsWith('*') ? '(?!_)' : '');

function literal(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
}
