/** Which dead letters a page is about, as it sends that. */
import { z } from 'zod';
import { letterStatuses, parseLetterName } from '../../../relay/operations/dead-letters/letter.ts';
import type { Selection } from '../../../relay/operations/dead-letters/selection.ts';
import { text } from './text.ts';

const name = text(100_000);
const position = z.string().regex(/^[0-9a-f]{16}\.[0-9a-f]{8}$/, 'is not a position');
const time = z.iso.datetime({ offset: true });
const itemsMax = 1_000;

const some = <Item extends z.ZodType>(item: Item) => z.array(item).min(1).max(itemsMax).optional();
/** In a query, what is given once is no list. */
const oneOrSome = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .union([item, z.array(item).max(itemsMax)])
    .transform((value): z.output<Item>[] => (Array.isArray(value) ? value : [value]) as z.output<Item>[])
    .optional();

const columns = ['codes', 'types', 'aggregatetypes', 'paths', 'keys', 'topics'] as const;
const times = { since: time.optional(), until: time.optional() };

/** Strict: a condition of another name, ignored, would choose too many. */
export const selectionInJson = z.strictObject({
  codes: some(name),
  types: some(name),
  aggregatetypes: some(name),
  paths: some(name),
  keys: some(name),
  topics: some(name),
  statuses: some(z.enum(letterStatuses)),
  positions: some(position),
  ...times,
});

export const selectionInQuery = z.strictObject({
  codes: oneOrSome(name),
  types: oneOrSome(name),
  aggregatetypes: oneOrSome(name),
  paths: oneOrSome(name),
  keys: oneOrSome(name),
  topics: oneOrSome(name),
  statuses: oneOrSome(z.enum(letterStatuses)),
  positions: oneOrSome(position),
  ...times,
});

export const limit = z.coerce.number().int().min(1).max(500).default(50);
export { position };

type Given = z.output<typeof selectionInJson> | z.output<typeof selectionInQuery>;

export function selectionOf(given: Given): Selection {
  const { statuses, positions, since, until } = given;
  return {
    ...Object.fromEntries(
      columns.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])),
    ),
    ...(statuses && { statuses }),
    ...(positions && { names: positions.map(parseLetterName) }),
    ...(since && { since: new Date(since) }),
    ...(until && { until: new Date(until) }),
  };
}

/** Whether it chooses every one of a status. */
export function isUnbounded(selection: Selection): boolean {
  return Object.keys(selection).every((name) => name === 'statuses');
}

/** In a few words, for the title of a job. */
export function titleOf({ names, codes, types, paths, topics, keys }: Selection): string {
  if (names?.length === 1) return 'one dead letter';
  const parts = [codes, types, paths, topics, keys].flatMap((list) => list?.filter(Boolean) ?? []);
  const of = parts.length === 0 ? '' : ` of ${parts.slice(0, 4).join(', ')}`;
  return `${names === undefined ? 'dead letters' : `${names.length} dead letters`}${of}`.slice(0, 300);
}
