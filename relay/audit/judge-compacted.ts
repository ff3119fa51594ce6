/** Looks up the keys of the events that a compacted topic does not have, and marks those that compaction accounts for. */
import type { Router } from '../encode/route.ts';
import type { RowsOfEvent } from './audited.ts';
import { type Compacted, isSuperseded } from './compacted.ts';
import type { Comparer } from './compare.ts';
import type { EventRow, RowReader } from './read-rows.ts';

export type JudgeCompactedOptions = {
  readonly comparer: Comparer;
  readonly compacted: Compacted;
  readonly rows: RowReader;
  readonly router: Router;
  readonly snapshotMs: number;
};

type Absent = RowsOfEvent & { readonly topic: string };

/** Per statement. */
const mostRows = 500;

export async function judgeCompacted(options: JudgeCompactedOptions): Promise<void> {
  const { comparer, compacted, router, snapshotMs } = options;
  const tombstones = new Map<string, number>();
  // A tombstone that is gone, too, accounts for what was written before it; so all tombstones come first.
  if ([...compacted.keys()].some((topic) => router.takesTombstones(topic)))
    await eachAbsent(options, ({ topic, createdAtMs }, { key, payload }) => {
      const isRemovable = createdAtMs + compacted.get(topic)! < snapshotMs;
      if (!router.takesTombstones(topic) || !isEmpty(payload) || !isRemovable) return;
      const name = `${topic}\0${key}`;
      tombstones.set(name, Math.max(createdAtMs, tombstones.get(name) ?? createdAtMs));
    });
  await eachAbsent(options, ({ id, topic, createdAtMs }, { key }) => {
    if (key === null) return;
    const state = {
      lastRecordMs: comparer.lastOfKeyMs(topic, key),
      lastTombstoneMs: tombstones.get(`${topic}\0${key}`),
    };
    if (isSuperseded(Number.isNaN(createdAtMs) ? undefined : createdAtMs, state)) comparer.markSuperseded(id);
  });
}

const isEmpty = (payload: string | null): boolean => payload === null || payload.trim() === 'null';

async function eachAbsent(
  { comparer, rows }: JudgeCompactedOptions,
  judge: (absent: Absent, row: EventRow) => void,
): Promise<void> {
  let some: Absent[] = [];
  const look = async () => {
    const found = new Map(
      (
        await rows.at(
          some.flatMap(({ places }) => places),
          undefined,
        )
      ).map((row) => [row.id, row]),
    );
    for (const absent of some) {
      const row = found.get(absent.id);
      if (row !== undefined) judge(absent, row);
    }
    some = [];
  };
  for (const absent of comparer.absentFromCompacted()) {
    some.push(absent);
    if (some.length >= mostRows) await look();
  }
  if (some.length > 0) await look();
}
