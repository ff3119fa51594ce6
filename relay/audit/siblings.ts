/**
 * Owns which other slots of this database may have published the same outbox, as where one slot took over from another.
 * Relays of other databases never do, and neither do those of another outbox table, whatever ids their events have.
 *
 * Which table a slot publishes follows from the publication that it has streamed through: outbox.progress keeps its identity
 * (relay/capture/publication.ts), with the entry of the outbox table in it. A relay stops where that changes, so it is true
 * of all that the slot has published. Where it tells nothing, as of a publication FOR ALL TABLES, or of one that was dropped
 * since, the slot may have published this table.
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
  `with published as (
     select slot, array_agg(entry.prrelid) filter (where entry.prrelid <> to_regclass('outbox.heartbeat')) as tables
       from outbox.progress
       left join regexp_split_to_table(publication, '[ ,]') as part on true
       left join pg_publication_rel as entry on entry.oid || ':' || entry.xmin::text = part
      group by slot)
   select other.slot as name from published as other left join published as own on own.slot = $1
    where other.slot <> $1 and (other.tables && own.tables) is not false`,
);
