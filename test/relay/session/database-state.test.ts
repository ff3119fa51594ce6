import { expect, test } from 'vitest';
import { isStillOurs, streamStart } from '../../../relay/session/database-state.ts';

/** A relay took the slot with walsender 7, after session 3 had begun. */
const ofRelay = { walSenderPid: 7, lastSession: 3 };
/** `adopt` and `recover` note no session: the slot must be theirs. */
const ofPerson = { walSenderPid: 7, lastSession: undefined };

test.each([
  ['while our walsender has it', true, { activePid: 7, session: 3 }, ofRelay],
  ['while our walsender has it, for a person', true, { activePid: 7, session: 9 }, ofPerson],
  ['after our stream failed, if no other session has begun', true, { activePid: null, session: 3 }, ofRelay],
  ['not after our stream failed and another session began', false, { activePid: null, session: 4 }, ofRelay],
  ['not after our stream failed, for a person', false, { activePid: null, session: 3 }, ofPerson],
  ['not while another walsender has it', false, { activePid: 8, session: 3 }, ofRelay],
  ['not while another walsender has it, for a person', false, { activePid: 8, session: 3 }, ofPerson],
  ['not if another session began before the read', false, { activePid: 7, session: 4 }, ofRelay],
])('the slot is still ours %s', (_, isOurs, found, taken) => {
  expect(isStillOurs(found, taken)).toBe(isOurs);
});

test.each([
  ['where the slot is, while we have it', 90n, { activePid: 7, confirmedLsn: 90n }, 100n],
  [
    'where the slot was, if a crash took its position back',
    100n,
    { activePid: null, confirmedLsn: 90n },
    100n,
  ],
  [
    'where the slot is, if our stream failed without a crash',
    100n,
    { activePid: null, confirmedLsn: 100n },
    100n,
  ],
  [
    'where the slot is, if nothing is known of before',
    90n,
    { activePid: null, confirmedLsn: 90n },
    undefined,
  ],
])('our stream started %s', (_, start, slot, before) => {
  expect(streamStart(slot, before)).toBe(start);
});
