import { expect, test } from 'vitest';
import { Turns } from '../../../../console/server/access/turns.ts';
import type { Role } from '../../../../console/server/access/visitor.ts';

/** Takes as many turns, and notes those that have come. */
function asker(turns: Turns, owner: string, role: Role = 'operate') {
  const ends: (() => void)[] = [];
  const refused: unknown[] = [];
  const ask = (count: number) => {
    for (let n = 0; n < count; n++)
      void turns.take(owner, role).then(
        (end) => ends.push(end),
        (error: unknown) => refused.push(error),
      );
  };
  return { ends, refused, ask };
}

const settled = () => new Promise((done) => setImmediate(done));

test('who asks a hundred things at once has six at work, and others are answered at once', async () => {
  const turns = new Turns();
  const [greedy, other] = [asker(turns, 'greedy'), asker(turns, 'other')];
  greedy.ask(50);
  other.ask(1);
  await settled();
  expect([greedy.ends.length, other.ends.length]).toEqual([6, 1]);
  // Each that ends lets the next one begin, until all are done; an end counts once.
  for (let n = 0; n < 50; n++) {
    greedy.ends[n]!();
    greedy.ends[n]!();
    await settled();
  }
  expect(greedy.ends).toHaveLength(50);
});

test('who asks without end is refused', async () => {
  const turns = new Turns();
  const greedy = asker(turns, 'greedy');
  greedy.ask(500);
  await settled();
  expect(greedy.refused).toHaveLength(500 - 6 - 100);
  expect(greedy.refused[0]).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS' });
});

test('many who may only look leave room for those who act, and all together have a limit', async () => {
  const turns = new Turns();
  const viewers = Array.from({ length: 100 }, (_, n) => asker(turns, `viewer ${n}`, 'view'));
  for (const each of viewers) each.ask(6);
  const operators = ['Ada', 'Bob'].map((name) => asker(turns, name));
  for (const each of operators) each.ask(6);
  await settled();
  const count = (all: typeof viewers) => all.reduce((sum, { ends }) => sum + ends.length, 0);
  expect([count(viewers), count(operators)]).toEqual([16, 8]);
  operators[0]!.ends[0]!();
  await settled();
  expect([count(viewers), count(operators)]).toEqual([16, 9]);
});
