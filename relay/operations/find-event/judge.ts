/**
 * From what was found of an event to where it is, in a sentence, and its story. Pure. Promise: what was not looked at, or
 * could not be, is said; nothing is said not to exist because it was not found.
 */
import { counted } from '../../model/counted.ts';
import type { EventState, FoundEvent, FoundLetter, FoundRecord, FoundRemoval, Looked } from './found.ts';
import type { Context, EventExtras, EventParts } from './parts.ts';
import { reasonsOf } from './reasons.ts';
import { isRelayElsewhere, tellStory } from './story.ts';

type Said = { readonly state: EventState; readonly text: string; readonly advice?: string };

/** Where the relay still has to do something. */
const unfinished: ReadonlySet<EventState> = new Set(['parked', 'in-open-transaction', 'waiting', 'unclear']);

export function judgeEvent(parts: EventParts, extras: EventExtras, context: Context): FoundEvent {
  const { id, rows, letters, records } = parts;
  const { findings, replays, removal } = extras;
  const { state, text, advice = null } = withForeign(stateOf(parts, removal, context), parts);
  const topic = rows[0]?.topic ?? letters[0]?.topic ?? null;
  const isEvent = rows.length > 0 || letters.length > 0;
  return {
    id,
    state,
    text,
    advice,
    reasons: isEvent && unfinished.has(state) ? reasonsOf(topic, context) : [],
    rows,
    letters,
    records,
    findings,
    replays,
    story: tellStory(parts, extras, context),
  };
}

function stateOf(parts: EventParts, removal: FoundRemoval | null, context: Context): Said {
  const { letters } = parts;
  const own = parts.records.filter(({ isOfRelay }) => isOfRelay);
  const record = latest(own.filter(({ replayId }) => replayId === null));
  const letter = latest(letters);
  const isDecided =
    letter?.status === 'open' || letter?.status === 'parked' || letter?.status === 'discarded';
  if (letter !== undefined && isDecided && !isLater(record, letter)) return ofLetter(letter, context);
  if (record !== undefined) return published(record, { ...parts, records: own }, removal, context);
  if (letter?.status === 'released')
    return notFound(parts, context, 'Its parked key was released, so the relay should have published it');
  if (parts.rows.length === 0 && letters.length === 0 && own.length === 0) return notOfRelay(context);
  return withoutRecord(parts, context, letter);
}

/** Only records of other producers have its id. */
const notOfRelay = ({ areRowsRead }: Context): Said => ({
  state: 'unclear',
  text: areRowsRead
    ? 'No relay of this outbox wrote it, and the outbox table has no row of it now.'
    : 'No relay of this outbox wrote it. Whether the outbox table has a row of it is not known.',
  advice: '`outbox-relay verify` counts such records as those of other producers, with their places.',
});

/** A record of another producer does not show that the relay published the event, and is named beside the rest. */
function withForeign(said: Said, { records }: EventParts): Said {
  const foreign = records.filter(({ isOfRelay }) => !isOfRelay);
  const [first] = foreign;
  if (first === undefined) return said;
  const { topic, partition, offset } = first;
  const more = foreign.length === 1 ? '' : `, the first of ${counted(foreign.length, 'such record')}`;
  const who = isRelayElsewhere(first)
    ? 'The relay of another database or outbox wrote a record with its id:'
    : 'Another producer wrote a record with its id, without the headers of a relay:';
  return {
    ...said,
    text: `${said.text} ${who} ${topic}, partition ${partition}, offset ${offset}${more}.`,
    ...(said.state === 'before-slot' && {
      advice:
        'If that producer is the one that published the events before, as Debezium is before a take-over, the event is published. If not, `outbox-relay replay` can publish it.',
    }),
  };
}

function ofLetter(letter: FoundLetter, { control }: Context): Said {
  const { status, position, code, message, path, behind, actions } = letter;
  const why = `${code}${path === null ? '' : ` at ${path}`}: ${message}`;
  if (status === 'discarded') {
    const by = actions.findLast(({ action }) => action === 'discard');
    const who = by === undefined ? '' : ` by ${by.person}${by.note === null ? '' : `: ${by.note}`}`;
    return {
      state: 'discarded',
      text: `Discarded${who}. The relay does not publish it. It was refused for ${why}`,
    };
  }
  if (status === 'open')
    return {
      state: 'dead-letter',
      text: `Dead letter, open. The relay refused it for ${why}`,
      advice: `Look at it with \`outbox-relay dead-letters show ${position}\`, fix it or its schema, then ${publishing(letter)}.`,
    };
  if (behind === null)
    return { state: 'parked', text: 'Parked, and its key is being released or was released a moment ago.' };
  if (behind.isPaused) {
    const pause = control?.pauses.find(({ topic, mode }) => mode === 'set-aside' && topic === letter.topic);
    if (control !== null && (pause === undefined || pause.isOver || pause.isReleasing))
      return {
        state: 'parked',
        text: 'Was set aside while its topic was paused. The pause is over, and the relay publishes what waits, key by key.',
      };
    const who = pause === undefined ? '' : ` by ${pause.person} since ${pause.since}: ${pause.reason}`;
    return {
      state: 'parked',
      text: `Set aside: its topic is paused${who}. It is published in its order when the topic is resumed.`,
      advice: `Run \`outbox-relay resume --topic ${letter.topic ?? '…'}\` when the reason is gone.`,
    };
  }
  if (behind.position === position)
    return {
      state: 'parked',
      text: 'Parked, the first of its key: no refused event is left before it.',
      advice: `Release the key with \`outbox-relay dead-letters release ${position}\`.`,
    };
  return {
    state: 'parked',
    text: `Parked: its key waits behind the dead letter ${behind.position}.`,
    advice: `Fix ${behind.position}, then release the key with \`outbox-relay dead-letters release ${behind.position}\`.`,
  };
}

/** What publishes an open dead letter once the relay accepts it. */
function publishing({ isOfParkedKey, isOfKeySetAside }: FoundLetter): string {
  if (isOfKeySetAside) return 'resume its topic, which publishes it in its place';
  return isOfParkedKey ? 'release its key' : 'resubmit it';
}

function published(
  { topic, partition, offset }: FoundRecord,
  { rows, records }: EventParts,
  removal: FoundRemoval | null,
  context: Context,
): Said {
  const others = records.length - 1;
  const more =
    others === 0
      ? ''
      : ` ${others === 1 ? 'One further record has' : `${others} further records have`} its id.`;
  const text = `Published: ${topic}, partition ${partition}, offset ${offset}.${more}`;
  if (rows.length > 0) return { state: 'published', text };
  if (!context.areRowsRead)
    return { state: 'published', text: `${text} Whether the outbox table still has its row is not known.` };
  const gone = `${text} The outbox table has no row of it now`;
  if (removal !== null) return { state: 'row-removed', text: `${gone}${removedHow(removal)}` };
  if (!context.areRemovalsRead)
    return { state: 'published', text: `${gone}; whether cleanup removed it is not known.` };
  return {
    state: 'published',
    text: `${gone}, and cleanup has removed none that was written then.`,
    advice: '`outbox-relay verify` says whether it is a record without a committed event.',
  };
}

function removedHow({ relation, removedAt, archive, rowsBefore }: FoundRemoval): string {
  if (relation === null)
    return `. Cleanup has removed rows that were written before ${rowsBefore}, the last time at ${removedAt}, so its row may have been one of them.`;
  const kept = archive === null ? '' : ` The file ${archive} of the archive has its rows.`;
  return `: cleanup dropped ${relation}, which had the rows of its day, at ${removedAt}.${kept}`;
}

function withoutRecord(parts: EventParts, context: Context, letter: FoundLetter | undefined): Said {
  const { rows, looked } = parts;
  const row = rows[0];
  const resubmitted = letter === undefined ? '' : 'Resubmitted. ';
  if (row === undefined)
    return notFound(
      parts,
      context,
      letter === undefined ? 'It has no row now' : 'It was resubmitted, and its row is gone',
    );
  if (row.progress === 'before')
    return {
      state: 'before-slot',
      text: 'Not published: it was committed before the slot was first made, so it never comes on the stream.',
      advice: '`outbox-relay replay` can publish it.',
    };
  if (row.progress === 'covered')
    return notFound(
      parts,
      context,
      `${resubmitted}The progress covers it, so the relay should have published it or made it a dead letter`,
    );
  if (!context.isKafkaRead)
    return notFound(parts, context, `${resubmitted}Whether the relay has published it is not known`);
  const open = looked.find(({ stableEnd, end }) => BigInt(end) > BigInt(stableEnd));
  if (open !== undefined)
    return {
      state: 'in-open-transaction',
      text: `${resubmitted}Not visible yet: ${open.topic}, partition ${open.partition} has an open Kafka transaction from offset ${open.stableEnd} on, and it may be in it.`,
      advice: 'Look again in a moment. Consumers under read_committed wait there, too.',
    };
  if (row.progress === 'later' && isReadToEnd(looked))
    return {
      state: 'waiting',
      text: `${resubmitted}Not published yet: its partition was read from its commit to the end, and it is not there.`,
      advice: 'Look again in some seconds. If it stays, `outbox-relay status` says more about the relay.',
    };
  const { text, advice } = notFound(
    parts,
    context,
    `${resubmitted}Whether the relay has published it is not known`,
  );
  return { state: 'unclear', text, ...(advice !== undefined && { advice }) };
}

const relayOf = ({ verdict }: Context) => (verdict === null ? '' : ` The relay: ${verdict.text}`);

/** Whether nothing lies between the windows, and the last one reaches the end. */
function isReadToEnd(looked: readonly Looked[]): boolean {
  const windows = looked.toSorted((a, b) => (BigInt(a.from) < BigInt(b.from) ? -1 : 1));
  const last = windows.at(-1);
  return (
    last !== undefined &&
    new Set(windows.map(({ topic, partition }) => `${topic}/${partition}`)).size === 1 &&
    BigInt(last.to) >= BigInt(last.stableEnd) &&
    windows.every(({ from }, index) => index === 0 || from === windows[index - 1]!.to)
  );
}

function notFound({ looked }: EventParts, context: Context, what: string): Said {
  if (!context.isKafkaRead)
    return {
      state: 'unclear',
      text: `${what}. Kafka could not be read, so where its record is, if it has one, is not known.`,
    };
  return {
    state: 'not-found-in-kafka',
    text: `${what}. ${describeLooked(looked)}${relayOf(context)}`,
    advice: '`outbox-relay verify` compares the whole table with the topics.',
  };
}

/** What was read, and what was not. */
export function describeLooked(looked: readonly Looked[]): string {
  if (looked.length === 0) return 'No partition was read for it.';
  const parts = looked.slice(0, 3).map(({ topic, partition, from, to, records, begin, stableEnd }) => {
    const before = BigInt(from) > BigInt(begin) ? 'older' : undefined;
    const after = BigInt(to) < BigInt(stableEnd) ? 'newer' : undefined;
    const rest = [before, after].filter((each) => each !== undefined).join(' and ');
    const removed = BigInt(begin) > 0n ? `; Kafka has removed those before offset ${begin}` : '';
    return `${counted(records, 'record')} of ${topic}, partition ${partition} (offsets ${from} to ${to}${rest === '' ? '' : `; ${rest} ones were not read`}${removed})`;
  });
  const more = looked.length > 3 ? `, and ${looked.length - 3} further windows` : '';
  return `It was not found in ${parts.join(', ')}${more}.`;
}

/** By position; those without one come first. */
function latest<Each extends { readonly position: string | null }>(each: readonly Each[]): Each | undefined {
  return each.toSorted((a, b) => ((a.position ?? '') < (b.position ?? '') ? -1 : 1)).at(-1);
}

const isLater = (record: FoundRecord | undefined, letter: FoundLetter) =>
  record?.position != null && record.position > letter.position;
