import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Matching, type OpenRecord, type OpenRow } from '../../../../relay/audit/standing/matching.ts';

const row = (id: string): OpenRow => ({ id, topic: 't', createdAtMs: 0, origin: 'streamed' });
const record = (id: string, position: string, after?: string): OpenRecord => ({
  id,
  topic: 't',
  partition: 0,
  offset: 0n,
  position,
  committedAtMs: 0,
  after,
  window: 1,
});

function matching() {
  const pairs: [string, string][] = [];
  const made = new Matching(new Map(), (record, row) => pairs.push([record.id, row.id]));
  return { made, pairs };
}

test('whatever the order, what is left is what has no counterpart', () => {
  const side = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 });
  fc.assert(
    fc.property(
      side,
      side,
      fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }),
      (rows, records, turns) => {
        const { made, pairs } = matching();
        let [atRow, atRecord] = [0, 0];
        for (const isRow of turns) {
          if (isRow && atRow < rows.length) made.addRow(row(rows[atRow++]!));
          else if (atRecord < records.length) {
            const id = records[atRecord]!;
            expect(made.addRecord(record(id, `${atRecord}`))).not.toBe('duplicate');
            atRecord++;
          }
        }
        while (atRow < rows.length) made.addRow(row(rows[atRow++]!));
        while (atRecord < records.length) made.addRecord(record(records[atRecord]!, `${atRecord++}`));
        const count = (ids: string[], id: string) => ids.filter((each) => each === id).length;
        const leftRows = [...made.takeRows(2)].flat().map(({ id }) => id);
        const leftRecords = [...made.records()].map(({ id }) => id);
        for (const id of ['a', 'b', 'c']) {
          const both = Math.min(count(rows, id), count(records, id));
          expect(pairs.filter(([one]) => one === id)).toHaveLength(both);
          expect(count(leftRows, id)).toBe(count(rows, id) - both);
          expect(count(leftRecords, id)).toBe(count(records, id) - both);
        }
        expect([made.openRows, made.openRecords]).toEqual([0, leftRecords.length]);
      },
    ),
  );
});

describe('a record', () => {
  test('that comes twice while its row does not show is a duplicate', () => {
    const { made } = matching();
    expect(made.addRecord(record('a', '1'))).toBe('open');
    expect(made.addRecord(record('a', '1'))).toBe('duplicate');
    expect(made.openRecords).toBe(1);
  });

  test('is late if its position is not above all before it in its partition', () => {
    const { made } = matching();
    expect(made.follow('t', 0, '2')).toBeUndefined();
    expect(made.follow('t', 1, '1')).toBeUndefined();
    expect(made.follow('t', 0, '1')).toBe('2');
    expect(made.follow('t', 0, '2')).toBe('2');
    expect(made.follow('t', 0, '3')).toBeUndefined();
  });
});
