import { expect, test } from 'vitest';
import { type Seen, StatusWatch } from '../../../../console/server/live/status-watch.ts';
import { RelayError } from '../../../../relay/errors.ts';
import type { Status } from '../../../../relay/operations/status.ts';
import { configOf } from '../../../relay/settings.ts';

const status = { slotName: 'any' } as Status;
const away = new RelayError('POSTGRES_UNAVAILABLE', 'Postgres is away');

/** A watch of which the test says when it is and what a read answers; at first it is away. */
function start() {
  const world = { nowMs: 1_000, answer: () => Promise.reject<Status>(away) };
  const watch = new StatusWatch(
    configOf(),
    () => world.answer(),
    () => world.nowMs,
  );
  return { world, watch };
}

/** The first that is told to somebody who begins to look. */
async function look(watch: StatusWatch): Promise<Seen> {
  const { promise, resolve } = Promise.withResolvers<Seen>();
  const end = watch.subscribe(resolve);
  const seen = await promise;
  end();
  return seen;
}

test('before the first status there is none, and no age', async () => {
  const { watch } = start();
  expect(await look(watch)).toMatchObject({
    status: null,
    ageMs: null,
    failure: { code: 'POSTGRES_UNAVAILABLE' },
  });
});

test('an old status has its age, also where nobody looked when Postgres went away', async () => {
  const { world, watch } = start();
  world.answer = () => {
    world.nowMs += 300;
    return Promise.resolve(status);
  };
  // From when it was asked for: what it says may be as old as that.
  expect(await look(watch)).toEqual({ status, ageMs: 300, failure: null });
  world.nowMs += 3_600_000;
  world.answer = () => Promise.reject(away);
  expect(await look(watch)).toMatchObject({
    status,
    ageMs: 3_600_300,
    failure: { code: 'POSTGRES_UNAVAILABLE' },
  });
});

test('who comes while a reading hangs is told the age of the one before', async () => {
  const { world, watch } = start();
  world.answer = () => Promise.resolve(status);
  await look(watch);
  world.nowMs += 60_000;
  world.answer = () => new Promise(() => {});
  const first = watch.subscribe(() => {});
  expect(await look(watch)).toMatchObject({ status, ageMs: 60_000 });
  first();
});
