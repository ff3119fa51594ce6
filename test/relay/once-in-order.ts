import { expect } from 'vitest';
import { compareIds, KeyOrder } from '../../harness/deliveries.ts';
import type { ReadRecord } from '../support/kafka.ts';
import { idOf, itemOf } from './world.ts';

/** Every event once and nothing else, and those of a key in order, by number and by position. */
export function expectOnceInOrder(records: readonly ReadRecord[], ids: readonly string[]): void {
  expect(compareIds(records.map(idOf), ids)).toEqual({ missing: [], duplicates: [], unknown: [] });
  const bySequence = new KeyOrder<number>();
  const byPosition = new KeyOrder<string>();
  for (const record of records) {
    const { key, seq } = itemOf(record);
    const { position = '' } = record.headers;
    expect(bySequence.follows(key, Number(seq)), `${key} ${seq}`).toBe(true);
    expect(byPosition.follows(key, position), `${key} at ${position}`).toBe(true);
  }
}
