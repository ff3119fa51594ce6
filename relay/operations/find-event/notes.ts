/** Why nothing was found, in sentences: what was read, and what was not. Pure. */
import type { Unread, Wanted } from './found.ts';
import { describeLooked } from './judge.ts';
import type { KafkaPart } from './kafka-part.ts';
import type { Stored } from './stored.ts';

/** Never that an event does not exist: all of this can be so while it does. */
export function notesOf(
  { by, since, until }: Wanted,
  { missing, removedBeforeMs }: Pick<Stored, 'missing' | 'removedBeforeMs'>,
  kafka: Pick<KafkaPart, 'failure' | 'looked' | 'unread' | 'absent'>,
): string[] {
  const notes: string[] = [];
  if (by.kind === 'id')
    notes.push(
      `${by.id} was looked for as the id of an event. If it is a key (aggregateid), look for it by key: outbox-relay find --key.`,
    );
  const dot = by.kind === 'type' ? by.type.lastIndexOf('.') : -1;
  if (by.kind === 'type' && dot !== -1)
    notes.push(
      `${by.type} was looked for as rows have their type. If the application writes simple names, which schemas.namespace completes, look for ${by.type.slice(dot + 1)}.`,
    );
  const isNarrowed = since !== null || until !== null;
  if (missing.rows !== null) notes.push('The outbox table could not be read, so its rows are not known.');
  else if (by.kind !== 'position')
    notes.push(`The outbox table has no such row now${isNarrowed ? ' in that time' : ''}.`);
  if (missing.removals !== null)
    notes.push('What cleanup removed could not be read, so it may have been one of these rows.');
  else if (removedBeforeMs !== null)
    notes.push(
      `Cleanup has removed rows that were written before ${new Date(removedBeforeMs).toISOString()}, so it may have been one of them.`,
    );
  if (missing.letters !== null) notes.push('The dead letters could not be read.');
  else
    notes.push(
      'There is no such dead letter now. One that was closed may have been removed, by deadLetters.keepClosed, deadLetters.keepClosedDays or `dead-letters purge`.',
    );
  if (kafka.failure !== null) notes.push('Kafka could not be read, so its records are not known.');
  else if (by.kind === 'id' || by.kind === 'position')
    notes.push(`${describeLooked(kafka.looked)} To look elsewhere, give the time when it was written.`);
  else
    notes.push('Records are looked up by the rows and dead letters that are found, so Kafka was not read.');
  if (kafka.unread.length > 0) notes.push(describeUnread(kafka.unread));
  if (kafka.absent.length > 0)
    notes.push(
      `Kafka does not have these topics, or does not show them to this process: ${namesOf(kafka.absent)}.`,
    );
  return notes;
}

const namedMost = 20;

const namesOf = (names: readonly string[]) =>
  `${names.slice(0, namedMost).join(', ')}${names.length > namedMost ? `, and ${names.length - namedMost} more` : ''}`;

/** A record can be there: the limits of a search left no room for them. */
export function describeUnread(unread: readonly Unread[]): string {
  const places = unread.map(({ topic, partition }) =>
    partition === null ? topic : `${topic} partition ${partition}`,
  );
  return `${places.length === 1 ? 'This was' : `These ${places.length} were`} not read at all, and may have it: ${namesOf(places)}. Look there by topic.`;
}
