import { expect, test } from 'vitest';
import { UncoveredHeartbeats } from '../../../relay/upkeep/uncovered-heartbeats.ts';

const heartbeat = (beat: number) => ({
  beat,
  lsn: 0n,
  writtenMs: 0,
  snapshot: `${beat}:${beat}:`,
  takenMs: 0,
});

function written(...beats: number[]): UncoveredHeartbeats {
  const uncovered = new UncoveredHeartbeats();
  for (const beat of beats) uncovered.add(heartbeat(beat));
  return uncovered;
}

test('a heartbeat counts once the progress covers it and the publication was read after it', () => {
  const uncovered = written(1, 2);
  expect(uncovered.covered(2)).toBeUndefined();
  uncovered.publicationWasSame(uncovered.latestBeat);
  expect(uncovered.covered(0)).toBeUndefined();
  expect(uncovered.covered(1)?.beat).toBe(1);
  expect(uncovered.covered(9)?.beat).toBe(2);
});

test('a heartbeat counts once', () => {
  const uncovered = written(1, 2, 3);
  uncovered.publicationWasSame(3);
  expect(uncovered.covered(2)?.beat).toBe(2);
  expect(uncovered.covered(2)).toBeUndefined();
});

test('a heartbeat that was written while the publication was read waits for the next look at it', () => {
  const uncovered = written(1);
  const { latestBeat } = uncovered;
  uncovered.add(heartbeat(2));
  uncovered.publicationWasSame(latestBeat);
  expect(uncovered.covered(2)?.beat).toBe(1);
  expect(uncovered.covered(2)).toBeUndefined();
});

test('no more than an hour of heartbeats is remembered', () => {
  const uncovered = written(...Array.from({ length: 1_000 }, (_, index) => index + 1));
  uncovered.publicationWasSame(uncovered.latestBeat);
  expect(uncovered.latestBeat).toBe(1_000);
  expect(uncovered.covered(1_000)?.beat).toBe(360);
});
