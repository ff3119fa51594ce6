/** Begins an audit that leaves out everything that is committed now. */
import { readOnly } from '../../connect/postgres/transaction.ts';
import { parseSnapshot } from '../../model/pg-snapshot.ts';
import { findTopics } from '../audit.ts';
import { stableRanges } from '../read-topics.ts';
import type { AuditState } from './audit-state.ts';
import { CountedXids } from './counted-xids.ts';
import { reach } from './reach.ts';
import { openWindow, readNow, WindowRows } from './read-window.ts';
import { placeOf, type WindowMeans } from './window-means.ts';

/** @throws RelayError POSTGRES_*, KAFKA_*, ROW_UNREADABLE, PROGRESS_UNREADABLE */
export async function beginNow(
  means: WindowMeans,
): Promise<{ readonly state: AuditState } | { readonly why: string }> {
  const { config, admin, client, now } = means;
  // Before the snapshot: what is published after these ends, and lies before the snapshot, is left out by its position.
  const ends = await stableRanges(admin, await findTopics(config, admin, []));
  const held = await reach(means, (await readNow(now)).lsn);
  if (held !== undefined) return { why: held.why };
  return readOnly(client, 'opening a snapshot', 'repeatable read', async () => {
    const { text, lsn, atMs } = await openWindow(client);
    const rows = new WindowRows(client, config, text, new CountedXids(parseSnapshot(text).xmin));
    for await (const _ of rows.pages());
    return {
      state: {
        window: 0,
        snapshot: text,
        lsn,
        atMs,
        counted: rows.counted,
        beginsLsn: lsn,
        offsets: new Map(ends.map((range) => [placeOf(range), range.end] as const)),
        floors: new Map(),
        open: [],
        after: new Map(),
        unclaimed: new Set(),
        released: new Set(),
      },
    };
  });
}
