/** What a verify has proven. */
import { expect, test } from 'vitest';
import { verdictOf } from '../../../../../console/web/screens/audit/verdict.ts';

const none = { count: 0, first: [] };
const clean = {
  ok: true,
  isCovered: true,
  events: 3,
  matched: 3,
  progress: { isSameDatabase: true },
  findings: { missing: none, duplicate: none },
  unjudged: {
    missingOrRemoved: none,
    leakedOrNotShown: none,
    leakedOrRemoved: none,
    notYetPublished: none,
    expired: none,
    superseded: none,
    undated: none,
    before: none,
  },
} as unknown as Parameters<typeof verdictOf>[0];
const some = { count: 2, first: [] };

test('it calls good only what was compared whole', () => {
  expect(verdictOf(clean)).toMatchObject({
    tone: 'good',
    text: expect.stringMatching(/^Every event in the snap/),
  });
  const unjudged = { ...clean.unjudged, before: some };
  expect(verdictOf({ ...clean, unjudged }).text).toMatch(/^Every event since the relay first started/);
  const removed = { ...clean.unjudged, expired: some };
  expect(verdictOf({ ...clean, unjudged: removed }).text).toMatch(/that the topics may still have/);
  for (const less of [
    { events: 0, matched: 0 },
    { matched: 0, unjudged: { ...clean.unjudged, before: { count: 3, first: [] } } },
    { ok: false, matched: 0, unjudged: { ...clean.unjudged, expired: { count: 3, first: [] } } },
    { isCovered: false },
    { unjudged: { ...clean.unjudged, notYetPublished: some } },
    { ok: false, unjudged: { ...clean.unjudged, missingOrRemoved: some } },
    { ok: false, progress: null, unjudged: { ...clean.unjudged, notYetPublished: some } },
    { ok: false, progress: { ...clean.progress!, isSameDatabase: false } },
    { ok: false, unjudged: { ...clean.unjudged, leakedOrRemoved: some } },
    { ok: false, unjudged: { ...clean.unjudged, leakedOrNotShown: some } },
  ])
    expect(verdictOf({ ...clean, ...less })).toMatchObject({ tone: 'warn' });
  expect(verdictOf({ ...clean, ok: false, findings: { ...clean.findings, missing: some } })).toEqual({
    tone: 'bad',
    text: '2 findings.',
  });
});

test('it says which progress is lacking', () => {
  const unjudged = { ...clean.unjudged, notYetPublished: some };
  expect(verdictOf({ ...clean, ok: false, progress: null, unjudged }).text).toBe(
    'Not proven: 2 events not yet published, and Kafka has no progress of this slot.',
  );
  const progress = { ...clean.progress!, isSameDatabase: false };
  expect(verdictOf({ ...clean, ok: false, progress, unjudged }).text).toContain('another Postgres cluster');
});
