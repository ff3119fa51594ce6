/** Asks for an event, and hears what is being read until the answer comes. */
import { useCallback, useEffect, useState } from 'react';
import type { FindStep } from '../../../../relay/operations/find-event/found.ts';
import type { FindLine, ShownFound } from '../../../server/api/find.ts';
import { ApiFault, ask, faultOf, unreachable } from '../../data/api.ts';

export type FindQuery = {
  readonly by: 'id' | 'position' | 'key' | 'type';
  readonly value: string;
  readonly since: string;
  readonly until: string;
  readonly records: number;
  /** Where this page begins; empty: with the first one. */
  readonly after: string;
  /** Look here where nothing says in which topic it is; empty: in the first ones. */
  readonly topic: string;
};

const position = /^[0-9a-f]{16}\.[0-9a-f]{8}$/;

export const kindOf = (kind: 'event' | 'key' | 'type', value: string): FindQuery['by'] =>
  kind === 'event' ? (position.test(value) ? 'position' : 'id') : kind;

/** From the address; null where it asks for nothing. */
export function queryOf(params: URLSearchParams): FindQuery | null {
  const by = params.get('by');
  const value = params.get('value') ?? '';
  if (value === '' || (by !== 'id' && by !== 'position' && by !== 'key' && by !== 'type')) return null;
  const records = Number(params.get('records') ?? 100_000);
  return {
    by,
    value,
    since: params.get('since') ?? '',
    until: params.get('until') ?? '',
    records: Number.isSafeInteger(records) && records > 0 ? records : 100_000,
    after: params.get('after') ?? '',
    topic: params.get('topic') ?? '',
  };
}

export const pathOf = (by: FindQuery['by'], value: string): string =>
  `/find?${new URLSearchParams({ by, value })}`;

export type Looking = {
  readonly step?: FindStep;
  readonly found?: ShownFound;
  readonly error?: unknown;
};

export function useFind({ by, value, since, until, records, after, topic }: FindQuery): {
  looking: Looking;
  again: () => void;
} {
  const [looking, setLooking] = useState<Looking>({});
  const [turn, setTurn] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a further turn asks again
  useEffect(() => {
    const ending = new AbortController();
    setLooking({});
    const search = new URLSearchParams({ by, value, records: String(records) });
    if (since !== '') search.set('since', since);
    if (until !== '') search.set('until', until);
    if (after !== '') search.set('after', after);
    if (topic !== '') search.set('topic', topic);
    look(search, ending.signal, (step) => setLooking({ step })).then(
      (found) => setLooking({ found }),
      (error: unknown) => {
        if (!ending.signal.aborted) setLooking({ error });
      },
    );
    return () => ending.abort();
  }, [by, value, since, until, records, after, topic, turn]);
  return { looking, again: useCallback(() => setTurn((before) => before + 1), []) };
}

/** @throws ApiFault */
async function look(
  search: URLSearchParams,
  signal: AbortSignal,
  onStep: (step: FindStep) => void,
): Promise<ShownFound> {
  const answer = await fetch(new URL(`api/find?${search}`, document.baseURI), { signal }).catch(() => {
    throw unreachable();
  });
  if (!answer.ok || answer.body === null) return ask<ShownFound>(Promise.resolve(answer));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value = '' } = await reader.read();
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) {
      const line = JSON.parse(text) as FindLine;
      if ('found' in line) return line.found;
      if ('fault' in line) throw faultOf(line.fault);
      onStep(line.step);
    }
    if (done) throw new ApiFault(0, 'CONSOLE_UNREACHABLE', 'The answer of the console broke off.', null);
  }
}
