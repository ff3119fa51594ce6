/**
 * The model of Kafka's transactions answers as a broker does, in both versions of the protocol: the same requests to both,
 * as bytes. Where they differ, the broker is right.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { leftOutMarker } from '../../../stack/kafka.ts';
import { createTopics } from '../../support/kafka.ts';
import { type Identity, Script, type Side } from './script.ts';
import { modelSide, type RealSide, realSide } from './sides.ts';

/** @returns what each step answered */
type Steps = (script: Script) => Promise<unknown[]>;

const next = ({ id, epoch }: Identity, by = 1): Identity => ({ id, epoch: epoch + by });

const scripts: Record<string, Steps> = {
  'the first Produce adds the partition, and EndTxn answers with the next epoch': async (script) => {
    const first = await script.init();
    const produced = await script.produce(first, { count: 3 });
    const ended = await script.end(first, true);
    await script.settle();
    const second = ended as Identity;
    return [first, produced, ended, await script.produce(second), await script.end(second, true)];
  },
  'a repeated EndTxn is answered like the first one while its epoch is the last': async (script) => {
    const first = await script.init();
    await script.produce(first);
    const second = await script.commit(first);
    const repeated = await script.end(first, true);
    const opposite = await script.end(first, false);
    await script.produce(second);
    const tooLate = await script.end(first, true);
    await script.commit(second);
    return [second, repeated, opposite, tooLate, await script.end(first, true)];
  },
  'a repeated abort is answered like the first one': async (script) => {
    const first = await script.init();
    await script.produce(first);
    const ended = await script.end(first, false);
    await script.settle();
    return [ended, await script.end(first, false), await script.end(first, true)];
  },
  'without a transaction EndTxn commits nothing, and aborts by raising the epoch': async (script) => {
    const first = await script.init();
    const answers = [await script.end(first, true), await script.end(first, false)];
    await script.settle();
    const second = next(first);
    answers.push(await script.end(second, true), await script.end(second, false));
    await script.settle();
    await script.produce(next(second));
    const third = await script.commit(next(second));
    answers.push(await script.end(third, true), await script.end(third, false));
    await script.settle();
    answers.push(await script.end(next(third, -1), true), await script.end(next(third, 5), true));
    return answers;
  },
  'EndTxn of another epoch or of another id is refused while a transaction is open': async (script) => {
    const first = await script.init();
    await script.produce(first);
    const second = await script.commit(first);
    await script.produce(second);
    return [
      await script.end(first, true),
      await script.end(first, false),
      await script.end(next(second), true),
      await script.end({ id: 9, epoch: 0 }, true),
      await script.end(first, true, 1),
      await script.end(first, true, 4),
    ];
  },
  'a Produce of an earlier epoch is refused, whether its partition took part or not': async (script) => {
    const first = await script.init();
    await script.produce(first);
    const second = await script.commit(first);
    const late = await script.produce(first, { sequence: 1 });
    const elsewhere = await script.produce(first, { partitions: [1] });
    const twice = await script.produce(first);
    await script.produce(second);
    const open = await script.produce(first, { sequence: 1, partitions: [0, 1] });
    return [late, elsewhere, twice, open, await script.produce(first, { version: 11 })];
  },
  'sequences begin with 0 after each transaction': async (script) => {
    const first = await script.init();
    await script.produce(first, { count: 2 });
    const second = await script.commit(first);
    const goesOn = await script.produce(second, { sequence: 2 });
    const begins = await script.produce(second);
    const again = await script.produce(second);
    const skips = await script.produce(second, { sequence: 2 });
    const follows = await script.produce(second, { sequence: 1, count: 2 });
    const between = await script.produce(second, { sequence: 1 });
    return [goesOn, begins, again, skips, follows, between];
  },
  'a partition that has not seen the producer takes only 0': async (script) => {
    const first = await script.init();
    const later = await script.produce(first, { sequence: 7 });
    const begins = await script.produce(first);
    return [later, begins, await script.produce(first, { sequence: 7, partitions: [1], version: 7 })];
  },
  'sequences wrap around to 0': async (script) => {
    const last = 2 ** 31 - 1;
    const first = await script.init();
    const added = await script.add(first, [0]);
    const begins = await script.produce(first, { sequence: last - 1, version: 7 });
    const wraps = await script.produce(first, { sequence: last, count: 3, version: 7 });
    const follows = await script.produce(first, { sequence: 2, version: 7 });
    const again = await script.produce(first, { sequence: last, count: 3, version: 7 });
    return [added, begins, wraps, follows, again, await script.end(first, true, 1)];
  },
  'a Produce to a partition that was not added': async (script) => {
    const first = await script.init();
    const answers = [];
    for (const version of [7, 10, 11]) answers.push(await script.produce(first, { version }));
    answers.push(await script.add(first, [1]));
    for (const version of [7, 11]) answers.push(await script.produce(first, { version, partitions: [0, 1] }));
    answers.push(await script.produce(first, { partitions: [0, 1] }));
    return answers;
  },
  'a producer whose successor has begun is refused everywhere': async (script) => {
    const first = await script.init();
    await script.produce(first);
    const busy = await script.init();
    await script.settle();
    const second = await script.init();
    return [
      busy,
      second,
      await script.produce(first, { sequence: 1 }),
      await script.produce(first, { partitions: [1] }),
      await script.produce(first, { partitions: [1], version: 7 }),
      await script.add(first),
      await script.add(first, [0], 3),
      await script.end(first, true),
      await script.end(first, false),
      await script.end(first, true, 1),
      await script.end(next(first), true),
      await script.end(next(first), false),
      await script.produce(second),
      await script.end(second, true),
    ];
  },
  'InitProducerId that expects an epoch goes on from it, and is refused once fenced': async (script) => {
    const first = await script.init();
    const second = await script.init(4, first);
    const repeated = await script.init(4, first);
    await script.produce(second);
    const third = await script.commit(second);
    const afterCommit = await script.init(4, third);
    const fenced = await script.init(4, first);
    const olderClient = await script.init(3, first);
    const successor = await script.init();
    return [
      second,
      repeated,
      third,
      afterCommit,
      fenced,
      olderClient,
      successor,
      await script.init(4, afterCommit),
      await script.init(4, { id: 9, epoch: 0 }),
    ];
  },
  'InitProducerId that expects an epoch aborts whatever transaction is open': async (script) => {
    const first = await script.init();
    const second = await script.init();
    await script.produce(second);
    const busy = await script.init(4, first);
    await script.settle();
    const fenced = await script.init(4, first);
    return [busy, fenced, await script.end(second, true), await script.init()];
  },
  'the earlier version leaves the epoch and the sequences as they are': async (script) => {
    const first = await script.init(1);
    const answers: unknown[] = [first];
    for (const sequence of [0, 2]) {
      answers.push(await script.add(first), await script.produce(first, { sequence, count: 2, version: 7 }));
      answers.push(await script.end(first, true, 1));
      await script.settle();
      answers.push(await script.end(first, true, 1), await script.end(first, false, 1));
    }
    return answers;
  },
  'a producer changes the version from one transaction to the next, both ways': async (script) => {
    const first = await script.init(1);
    await script.add(first);
    await script.produce(first, { count: 2, version: 7 });
    await script.commit(first, 1);
    const goesOn = await script.produce(first, { sequence: 2 });
    const raised = await script.end(first, true);
    await script.settle();
    const second = raised as Identity;
    const added = await script.add(second);
    const begins = await script.produce(second, { version: 7 });
    const ended = await script.end(second, true, 1);
    await script.settle();
    return [goesOn, raised, added, begins, ended, await script.produce(second, { sequence: 1 })];
  },
  'a producer changes the version within a transaction': async (script) => {
    const first = await script.init(1);
    const added = await script.add(first);
    const newer = [await script.produce(first), await script.produce(first, { partitions: [1] })];
    const older = await script.end(first, true, 1);
    await script.settle();
    const produced = await script.produce(first, { sequence: 1 });
    const olderProduce = await script.produce(first, { sequence: 2, version: 7 });
    return [added, newer, older, produced, olderProduce, await script.end(first, true)];
  },
  'after a commit of the newer version, one of the older version is taken for its repetition': async (
    script,
  ) => {
    const first = await script.init();
    await script.produce(first);
    const second = await script.commit(first);
    return [await script.end(first, true, 1), await script.end(second, true, 1)];
  },
  'while the markers are not written, nothing of the next transaction is accepted': async (script) => {
    const first = await script.init();
    await script.produce(first);
    const held = script.side.hold('marker');
    const ended = await script.end(first, true);
    const second = ended as Identity;
    await held.met();
    const answers = [
      await script.end(first, true),
      await script.end(first, false),
      await script.end(second, true),
      await script.end(first, true, 1),
      await script.add(second),
      await script.add(first),
      await script.produce(second),
      await script.produce(second, { partitions: [1] }),
      await script.produce(second, { partitions: [1], version: 7 }),
      await script.produce(first, { partitions: [1], version: 7 }),
      await script.produce(first, { sequence: 1 }),
      await script.init(),
    ];
    await held.release();
    await script.settle();
    const later = [await script.produce(second), await script.end(second, true)];
    return [ended, ...answers, ...later];
  },
  'a Produce that waits for the markers goes on when they are written': async (script) => {
    const first = await script.init();
    await script.produce(first);
    const held = script.side.hold('marker');
    const second = (await script.end(first, true)) as Identity;
    await held.met();
    const waiting = script.produce(second);
    await held.release();
    return [await waiting, await script.end(second, true)];
  },
  'a Produce that is held while its transaction is given up is refused': async (script) => {
    const first = await script.init();
    const held = script.side.hold('verification');
    const waiting = script.produce(first);
    await held.met();
    const second = await script.init();
    await held.release();
    return [second, await waiting, await script.produce(second)];
  },
  'a Produce that is held while its epoch is aborted is refused': async (script) => {
    const first = await script.init();
    const held = script.side.hold('verification');
    const waiting = script.produce(first);
    await held.met();
    const aborted = await script.end(first, false);
    await script.settle();
    await held.release();
    return [aborted, await waiting, await script.produce(next(first))];
  },
  'after a downgrade to level 1 both versions work': async (script) => {
    const first = await script.init();
    await script.produce(first);
    await script.side.finalize(1);
    const busy = await script.init();
    await script.settle();
    const second = await script.init();
    const newer = [await script.produce(second), await script.end(second, true)];
    await script.settle();
    const third = next(second);
    const older: unknown[] = [await script.add(third), await script.produce(third, { version: 7 })];
    older.push(await script.end(third, true, 1));
    await script.settle();
    await script.side.finalize(2);
    return [busy, second, ...newer, ...older, await script.produce(third, { sequence: 1 })];
  },
  'after a downgrade to level 0 what a client of the newer version has used is blocked': async (script) => {
    const first = await script.init();
    const second = await script.init();
    await script.side.finalize(0);
    const older: unknown[] = [await script.add(second), await script.produce(second, { version: 7 })];
    older.push(await script.end(second, true, 1));
    await script.settle();
    const newer = await script.produce(second, { sequence: 1, partitions: [1] });
    const blocked = [await script.init(), await script.end(second, true, 1)];
    await script.side.finalize(2);
    blocked.push(await script.init());
    return [first, ...older, newer, ...blocked];
  },
};

const levels = [2, 1];

/** With each finalized level: a transaction that is aborted for a successor, and one that is decided and has no markers. */
async function decide(side: Side, scripts: readonly Script[]): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const [index, level] of levels.entries()) {
    await side.finalize(level);
    const script = scripts[index]!;
    await script.produce(await script.init());
    answers.push(await script.init());
    await script.settle();
    const second = await script.init();
    answers.push(second, await script.produce(second));
  }
  const held = side.hold('marker');
  for (const [index, level] of [...levels.entries()].toReversed()) {
    await side.finalize(level);
    answers.push(await scripts[index]!.end({ id: 0, epoch: 2 }, true));
    if (index === levels.length - 1) await held.met();
  }
  return answers;
}

/** What was decided is answered like before, and the next transaction begins. */
const goesOn: Steps = async (script) => {
  await script.settle();
  const decided = { id: 0, epoch: 2 };
  const repeated = await script.end(decided, true);
  const opposite = await script.end(decided, false);
  const late = await script.produce(decided, { sequence: 1, partitions: [0, 1] });
  const produced = await script.produce(next(decided), { partitions: [0, 1] });
  return [repeated, opposite, late, produced, await script.end(next(decided), true)];
};

/** That a client has. The coordinator has given the second before it. */
const lastEpoch = 32_766;

const exhausted: Record<string, Steps> = {
  'a commit with the last epoch answers with a new id, once and again': async (script) => {
    const first = await script.init();
    await script.produce(first);
    const last = await script.commit(first);
    await script.produce(last);
    const ended = await script.end(last, true);
    await script.settle();
    const second = ended as Identity;
    const repeated = await script.end(last, true);
    const opposite = await script.end(last, false);
    const late = await script.produce(last, { sequence: 1, partitions: [0, 1] });
    const produced = await script.produce(second);
    const tooLate = await script.end(last, true);
    return [first, last, ended, repeated, opposite, late, produced, tooLate, await script.end(second, true)];
  },
  'InitProducerId after the last epoch answers with a new id': async (script) => {
    const first = await script.init();
    const last = await script.init();
    return [first, last, await script.init(4, last), await script.init()];
  },
  'a transaction with the last epoch is aborted for a successor': async (script) => {
    await script.init();
    const last = await script.init();
    await script.produce(last);
    const busy = await script.init();
    await script.settle();
    const successor = await script.init();
    const late = [await script.produce(last, { sequence: 1 }), await script.end(last, true)];
    return [busy, successor, ...late, await script.produce(successor), await script.end(successor, true)];
  },
  'the earlier version gives the last epoch once, and a new id then': async (script) => {
    const first = await script.init(1);
    const last = await script.init(1);
    await script.add(last);
    await script.produce(last, { version: 7 });
    const ended = await script.end(last, true, 1);
    await script.settle();
    return [first, last, ended, await script.init(1), await script.init(1)];
  },
};

let real: RealSide;
const scriptNames = Object.keys(scripts).map((_, index) => `script-${index}`);
const exhaustedNames = Object.keys(exhausted).map((_, index) => `exhausted-${index}`);
const decidedNames = levels.map((level) => `decided-${level}`);

beforeAll(async () => {
  const names = [...scriptNames, ...exhaustedNames, ...decidedNames];
  real = await realSide(names);
  await createTopics(
    names.map((topic) => ({ topic, numPartitions: 2 })),
    real.kafka.brokers,
  );
}, 120_000);

afterAll(() => real?.[Symbol.asyncDispose]());

it.each(Object.entries(scripts))('%s', async (title, steps) => {
  const name = scriptNames[Object.keys(scripts).indexOf(title)]!;
  const ofBroker = await steps(new Script(real, name));
  expect(await steps(new Script(modelSide([name]), name))).toEqual(ofBroker);
});

it('whatever level is finalized, both versions work, and what was decided outlives the coordinator', async () => {
  const answersOf = async (side: Side) => {
    const scripts = decidedNames.map((name) => new Script(side, name));
    const answers = await decide(side, scripts);
    if (side === real) for (const name of exhaustedNames) await real.useUpEpochs(name, lastEpoch - 2);
    await side.reload();
    for (const script of scripts) answers.push(await goesOn(script));
    return answers;
  };
  const ofBroker = await answersOf(real);
  expect(await real.kafka.logLines(leftOutMarker), 'what comes then is no business of the model').toEqual([]);
  expect(await answersOf(modelSide(decidedNames))).toEqual(ofBroker);
}, 180_000);

// After the broker has read its log above.
it.each(Object.entries(exhausted))('%s', async (title, steps) => {
  const name = exhaustedNames[Object.keys(exhausted).indexOf(title)]!;
  const ofBroker = await steps(new Script(real, name));
  const ofModel = await steps(new Script(modelSide([name], lastEpoch - 1), name));
  expect(ofModel).toEqual(ofBroker);
});
