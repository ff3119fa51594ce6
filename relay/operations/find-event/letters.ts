/** Finds dead letters of events, with what people did to them and what parked ones wait behind. */
import type pg from 'pg';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { type Letter, positionText } from '../dead-letters/letter.ts';
import { listLetters, readActions } from '../dead-letters/read.ts';
import { type Selection, waitsForResume } from '../dead-letters/selection.ts';
import { assertLettersShown } from '../dead-letters/transaction.ts';
import { waits } from '../dead-letters/waits.ts';
import type { FoundLetter } from './found.ts';

export type LettersFound = { readonly letters: readonly FoundLetter[]; readonly hasMore: boolean };

/** The oldest positions first. @throws RelayError POSTGRES_* */
export async function findLetters(
  client: pg.ClientBase,
  config: Config,
  selection: Selection,
  limit: number,
): Promise<LettersFound> {
  const slot = config.slot.name;
  const listed = await listLetters(client, slot, selection, limit + 1);
  const letters: FoundLetter[] = [];
  for (const letter of listed.slice(0, limit))
    letters.push({
      ...letter,
      actions: await readActions(client, slot, letter),
      behind: await readBehind(client, slot, letter),
    });
  await assertLettersShown(client, config);
  return { letters, hasMore: listed.length > limit };
}

async function readBehind(
  client: pg.ClientBase,
  slot: string,
  { status, topic, aggregateid }: Letter,
): Promise<FoundLetter['behind']> {
  if (status !== 'parked') return null;
  const [row] = await query(client, readHead, [slot, topic, aggregateid]);
  if (row === undefined) return null;
  const { lsn, ordinal, isPaused, parkedAt } = row;
  return { position: positionText(lsn, ordinal), isPaused, parkedAt: parkedAt.toISOString() };
}

const readHead = statement<{ lsn: string; ordinal: string; isPaused: boolean; parkedAt: Date }>(
  'operations.read_parked_head',
  'reading what a parked key waits behind',
  `select coalesce(head.commit_lsn, p.commit_lsn)::text as lsn, coalesce(head.ordinal, p.ordinal) as ordinal,
          ${waitsForResume('p')} as "isPaused", parked_at as "parkedAt"
     from outbox.parked_key as p
     left join lateral (select commit_lsn, ordinal from outbox.dead_letter as letter where ${waits}
                         order by letter.commit_lsn, letter.ordinal limit 1) as head on true
    where p.slot = $1 and p.topic = $2 and p.key = $3 and p.released_lsn is null
    order by p.commit_lsn, p.ordinal limit 1`,
);
