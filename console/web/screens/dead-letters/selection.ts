/** Which dead letters a page is about, as its address says it. Pure. */
import type { LetterGroup } from '../../../../relay/operations/dead-letters/groups.ts';
import type { Letter, LetterStatus } from '../../../../relay/operations/dead-letters/letter.ts';
import { localTime } from '../../data/format.ts';
import type { Condition } from '../../parts/condition.ts';

export const statuses: readonly LetterStatus[] = ['open', 'parked', 'resubmitted', 'discarded', 'released'];

const lists = ['codes', 'types', 'aggregatetypes', 'topics', 'paths', 'keys', 'positions'] as const;
const times = ['since', 'until'] as const;
export type ListName = (typeof lists)[number];

/** An empty text stands for those that have none. */
export type Selected = {
  readonly [name in ListName]?: string[];
} & { readonly statuses?: LetterStatus[]; readonly since?: string; readonly until?: string };

export function selectionFrom(query: URLSearchParams): Selected {
  const chosen = query
    .getAll('statuses')
    .filter((each): each is LetterStatus => statuses.includes(each as LetterStatus));
  return {
    ...Object.fromEntries(lists.filter((name) => query.has(name)).map((name) => [name, query.getAll(name)])),
    ...Object.fromEntries(times.filter((name) => query.get(name)).map((name) => [name, query.get(name)!])),
    statuses: chosen.length === 0 ? ['open'] : chosen,
  };
}

export function queryOf(selected: Selected): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of lists) for (const each of selected[name] ?? []) query.append(name, each);
  for (const name of times) if (selected[name]) query.set(name, selected[name]);
  const { statuses: chosen = [] } = selected;
  if (chosen.join() !== 'open') for (const each of chosen) query.append('statuses', each);
  return query;
}

export function selectionOfGroup(group: LetterGroup, status: LetterStatus): Selected {
  const { code, type, aggregatetype, topic, path } = group;
  return {
    codes: [code],
    types: [type ?? ''],
    aggregatetypes: [aggregatetype ?? ''],
    topics: [topic ?? ''],
    paths: [path ?? ''],
    statuses: [status],
  };
}

/** Whether it chooses every one of its statuses. */
export const isUnbounded = (selected: Selected): boolean =>
  [...lists, ...times].every((name) => selected[name] === undefined);

const labels: Readonly<Record<ListName, string>> = {
  codes: 'code',
  types: 'type',
  aggregatetypes: 'aggregate type',
  topics: 'topic',
  paths: 'path',
  keys: 'key',
  positions: 'position',
};

export type ConditionName = ListName | (typeof times)[number];

/** What limits it, one condition each, for people. */
export function conditionsOf(selected: Selected): Condition<ConditionName>[] {
  const named = lists.flatMap((name): Condition<ConditionName>[] => {
    const values = selected[name];
    if (values === undefined) return [];
    const text = values.length > 1 ? `${values.length} values` : values[0] === '' ? 'none' : values[0]!;
    return [{ name, label: labels[name], text }];
  });
  const timed = times.flatMap((name): Condition<ConditionName>[] =>
    selected[name] === undefined ? [] : [{ name, label: name, text: timeOf(selected[name]) }],
  );
  return [...named, ...timed];
}

/** In the zone of the viewer. What somebody typed into the address stays as it is. */
const timeOf = (text: string): string => (Number.isNaN(Date.parse(text)) ? text : localTime(text));

export function without(selected: Selected, name: ConditionName): Selected {
  const { [name]: _, ...rest } = selected;
  return rest;
}

/** Where their keys are released: of one topic, where they are all of one. */
export function parkedKeysPath({ topics }: Selected): string {
  const [topic] = topics ?? [];
  return topics?.length === 1 && topic !== ''
    ? `/parked-keys?${new URLSearchParams({ topic: topic! })}`
    : '/parked-keys';
}

/** Of one whose payload was changed since it was refused. */
export function fixedText({ waitsFor }: Pick<Letter, 'waitsFor'>): string {
  switch (waitsFor) {
    case 'release':
      return 'fixed, waits for release';
    case 'release-under-way':
      return 'fixed, being released';
    case 'resume':
      return 'fixed, waits for its topic';
    default:
      return 'fixed, not resubmitted yet';
  }
}
