/**
 * Owns which other slots this database has. Their relays may publish the same outbox, as while one slot takes over from
 * another; relays of other databases never do, whatever ids their events have.
 */
import type pg from 'pg';
import { query, statement } from '../connect/postgres/statement.ts';

/** @throws RelayError POSTGRES_* */
export async function readSiblings(client: pg.ClientBase, slot: string): Promise<ReadonlySet<string>> {
  return new Set((await query(client, readSlots, [slot])).map(({ name }) => name));
}

const readSlots = statement<{ name: string }>(
  'audit.read_siblings',
  'reading outbox.progress',
  'select slot as name from outbox.progress where slot <> $1',
);
