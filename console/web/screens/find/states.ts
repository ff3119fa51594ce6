/** How the state of an event is named and coloured. */
import type { EventState } from '../../../../relay/operations/find-event/found.ts';
import type { Tone } from '../../parts/basics.tsx';

export const states: Readonly<Record<EventState, readonly [label: string, tone: Tone]>> = {
  published: ['published', 'good'],
  'row-removed': ['published, row removed', 'good'],
  'dead-letter': ['dead letter', 'bad'],
  parked: ['parked', 'warn'],
  discarded: ['discarded', 'quiet'],
  'in-open-transaction': ['not visible yet', 'warn'],
  waiting: ['not published yet', 'warn'],
  'before-slot': ['before the slot', 'quiet'],
  'not-found-in-kafka': ['not found in Kafka', 'warn'],
  unclear: ['unclear', 'warn'],
};
