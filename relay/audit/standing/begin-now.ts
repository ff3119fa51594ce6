/** Begins an audit that leaves out everything that is committed now. */
import { readOnly } from '../../connect/postgres/transaction.ts';
import { parseSnapshot } from '../../model/pg-snapshot.ts';
import { findTopics } from '../find-topics.ts';
import { stableRanges } from '../read-topics.ts';
import { readNow } from '../running.ts';
import type { AuditState } from './audit-state.ts';
import { CountedXids } from './counted-xids.ts';
import { reach } from './reach.ts';
import { besidesMost, openWindow, WindowRows } from './read-window.ts';
import { placeOf, type WindowMeans } from './window-means.ts';

export type Begun = {
  readonly state: AuditState;
  /** Whether what an earlier audit has compared is still there, on both sides. */
  readonly continues: boolean;
  /** Transactions that it has compared, of those that its last window was not to the end with. */
  readonly compared: readonly bigint[];
};

/**
 * @param known the state of an earlier audit of this table
 * @throws RelayError POSTGRES_*, KAFKA_*, ROW_UNREADABLE, PROGRESS_UNREADABLE
 */
export async function beginNow(
  means: WindowMeans,
  known: AuditState | undefined,
): Promise<Begun | { readonly why: string }> {
  const { config, admin, client, now } = means;
  // Before the snapshot: what is published after these ends, and lies before the snapshot, is left out by its position.
  const ends = await stableRanges(admin, await findTopics(config, admin, []));
  const held = await reach(means, (await readNow(now)).lsn);
  if (held !== undefined) return { why: held.why };
  return readOnly(client, 'opening a snapshot', 'repeatable read', async () => {
    const { text, lsn, atMs } = await openWindow(client);
    const { xmin, xmax } = parseSnapshot(text);
    const rows = new WindowRows(client, config, text, { counted: new CountedXids(xmin), beginsXid: 0n });
    for await (const _ of rows.pages());
    const offsets = new Map(ends.map((range) => [placeOf(range), range.end] as const));
    const continues = known !== undefined && lsn >= known.lsn && hasAll(offsets, known.offsets);
    return {
      continues,
      compared: continues ? comparedLast(known) : [],
      state: {
        window: 0,
        snapshot: text,
        lsn,
        atMs,
        counted: rows.counted,
        beginsLsn: lsn,
        beginsXid: xmax,
        offsets,
        floors: new Map(),
        open: [],
        after: new Map(),
        unclaimed: new Set(),
        released: new Set(),
      },
    };
  });
}

/** Not if a topic was removed, recreated or shortened: it may have lost what was compared. */
function hasAll(now: ReadonlyMap<string, bigint>, before: ReadonlyMap<string, bigint>): boolean {
  return [...before].every(([place, offset]) => (now.get(place) ?? 0n) >= offset);
}

/** What an audit left out at its beginning counts for its windows, and was not compared. */
function comparedLast({ counted, beginsXid }: AuditState): bigint[] {
  const compared: bigint[] = [];
  for (const xid of counted.after(beginsXid > counted.base ? beginsXid : counted.base)) {
    if (compared.length === besidesMost) break;
    compared.push(xid);
  }
  return compared;
}
