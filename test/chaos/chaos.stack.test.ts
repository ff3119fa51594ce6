/** The short form of `npm run chaos`: one fault or two of each class, on servers of its own; `--list` shows them all. */
import { expect, it } from 'vitest';
import { faultClasses } from '../../chaos/fault.ts';
import { faults } from '../../chaos/faults/all.ts';
import { killedPlaces } from '../../chaos/faults/relay.ts';
import { nameOf, runChaos } from '../../chaos/run.ts';

const short = faults.filter(({ isShort }) => isShort === true);

it('has a name for each fault, one for each place at which it kills a relay, and some of each class in the short form', () => {
  const names = faults.map(nameOf);
  expect(new Set(names).size).toBe(names.length);
  expect(killedPlaces.filter((name) => !names.includes(`relay: killed at ${name}`))).toEqual([]);
  // Those of dead letters take a quarter of a minute each; test/relay/whole/parked-keys.stack.test.ts does the same without load.
  const classes = faultClasses.filter((name) => name !== 'dead-letters');
  expect(new Set(short.map((fault) => fault.class))).toEqual(new Set(classes));
});

it('holds every invariant through the short form', { timeout: 1_200_000 }, async () => {
  const { outcomes } = await runChaos({ faults: short, seed: 1 });
  // And one before them, to measure the machine.
  expect(outcomes).toHaveLength(1 + short.length);
  expect(
    outcomes.flatMap(({ faults: names, breaches }) => breaches.map((breach) => ({ names, ...breach }))),
  ).toEqual([]);
});
