/**
 * How the cost of an event and the memory of the relay grow with the backlog, the transactions, the partitions, the
 * rows.
 */
import { type Drain, micros, perSecond } from './drain.ts';
import { cpuMs, nowMs, peakMemoryMb, resetPeakMemory } from './machine.ts';
import { readTopic, untilWritten } from './reader.ts';
import { defaultRowBytes } from './workload.ts';
import { type BenchWorld, type Rows, topicOf } from './world.ts';

type Case = Rows & {
  readonly partitions: number;
  /** How many backlogs of this size, one after another: a single small one is too short for a clock of 10 ms. */
  readonly times: number;
};

export type Growth = Case &
  Pick<Drain, 'cpuMicrosPerEvent' | 'peakMemoryMb' | 'lost' | 'duplicates'> & {
    /** From the moment the process may read to the last event. */
    readonly eventsPerSecond: number;
  };

const usual: Case = {
  events: 100_000,
  times: 1,
  perTransaction: 5,
  rowBytes: defaultRowBytes,
  partitions: 3,
};
/** Warms a process up before it is measured. */
const warmUp: Rows = { events: 50_000, perTransaction: 5, rowBytes: defaultRowBytes };

/** One thing changes at a time. The rows of a case take at most about 200 MB. */
export function growthCases(maxRows: number): Case[] {
  const backlogs = [
    { events: 10_000, times: 10 },
    { events: 100_000, times: 2 },
    { events: 1_000_000, times: 1 },
    { events: 10_000_000, times: 1 },
  ].filter(({ events }) => events <= maxRows);
  const largest = Math.min(maxRows, 100_000);
  return [
    ...backlogs.map((backlog) => ({ ...usual, ...backlog })),
    ...[1, 500, 100_000].map((perTransaction) => ({ ...usual, events: largest, perTransaction })),
    ...[1, 10, 100].map((partitions) => ({ ...usual, events: largest, partitions })),
    ...[100, 1_024].map((rowBytes) => ({ ...usual, events: largest, rowBytes })),
    { ...usual, events: Math.min(maxRows, 20_000), rowBytes: 10_240 },
  ];
}

/** Measures each case with a process of its own, after a warm-up. */
export async function measureGrowth(
  world: BenchWorld,
  maxRows: number,
  onProgress: (line: string) => void,
): Promise<Growth[]> {
  const measured: Growth[] = [];
  for (const each of growthCases(maxRows)) {
    onProgress(`growth: ${describe(each)}`);
    const growth = await measureCase(world, each);
    const { eventsPerSecond, cpuMicrosPerEvent, peakMemoryMb: memory, lost, duplicates } = growth;
    onProgress(
      `growth: ${eventsPerSecond} events/s, ${cpuMicrosPerEvent} µs, ${memory} MB, ${lost} lost, ${duplicates} duplicated`,
    );
    measured.push(growth);
    await world.database.query('truncate outbox.event'); // disks are finite, and no case needs the rows of another
  }
  return measured;
}

function describe({ events, times, perTransaction, rowBytes, partitions }: Case): string {
  return `${times} × ${events} events of ${rowBytes} bytes in transactions of ${perTransaction}, ${partitions} partitions`;
}

async function measureCase(world: BenchWorld, wanted: Case): Promise<Growth> {
  const { events, times, partitions } = wanted;
  const warmUpType = await world.newTopic(usual.partitions);
  await world.write(warmUpType, warmUp);
  const relay = world.startRelay();
  try {
    const check = () => relay.assertRunning();
    await untilWritten(world.kafka, topicOf(warmUpType), warmUp.events, check);
    await resetPeakMemory(relay.pid);
    const aggregateType = await world.newTopic(partitions);
    const topic = topicOf(aggregateType);
    let [cpu, wall] = [0, 0];
    for (let time = 0; time < times; time += 1) {
      // It is stopped while its backlog grows. After 10 s Postgres ends its connection, and it opens a new one.
      relay.signal('SIGSTOP');
      await world.write(aggregateType, wanted, { first: time * events });
      const cpuBefore = await cpuMs(relay.pid);
      const startMs = nowMs();
      let [cpuAfter, endMs] = [cpuBefore, startMs];
      relay.signal('SIGCONT');
      await untilWritten(world.kafka, topic, (time + 1) * events, check, async () => {
        [cpuAfter, endMs] = [await cpuMs(relay.pid), nowMs()];
      });
      cpu += cpuAfter - cpuBefore;
      wall += endMs - startMs;
    }
    const memory = await peakMemoryMb(relay.pid);
    await relay.stop();
    const total = events * times;
    const content = await readTopic(world.kafka, topic, total);
    return {
      ...wanted,
      eventsPerSecond: perSecond(total, wall),
      cpuMicrosPerEvent: micros(cpu, total),
      peakMemoryMb: memory,
      lost: content.missing,
      duplicates: content.duplicates + content.unknown,
    };
  } finally {
    relay.signal('SIGCONT');
    await relay.stop();
  }
}

export const growthTargets = { peakMemoryMb: 250, costSpreadPercent: 10 } as const;

export type GrowthVerdict = {
  readonly peakMemoryMb: number;
  readonly memoryHolds: boolean;
  /** How much more an event of the most expensive backlog costs than one of the smallest, in percent. */
  readonly costSpreadPercent: number;
  readonly costHolds: boolean;
};

/** Whether memory stays bounded in every case, and whether an event costs the same in every backlog. */
export function judgeGrowth(growth: readonly Growth[]): GrowthVerdict | undefined {
  const costs = growth
    .filter((one) => isBacklog(one))
    .sort((a, b) => a.events - b.events)
    .map(({ cpuMicrosPerEvent }) => cpuMicrosPerEvent ?? Number.NaN);
  const smallest = costs[0];
  if (smallest === undefined) return undefined;
  const memory = Math.max(...growth.map(({ peakMemoryMb: mb }) => mb ?? Number.NaN));
  const costSpreadPercent = Math.round((Math.max(...costs) / smallest - 1) * 100);
  return {
    peakMemoryMb: memory,
    memoryHolds: memory <= growthTargets.peakMemoryMb,
    costSpreadPercent,
    costHolds: costSpreadPercent <= growthTargets.costSpreadPercent,
  };
}

function isBacklog(one: Growth): boolean {
  const { perTransaction, rowBytes, partitions } = one;
  return (
    perTransaction === usual.perTransaction && rowBytes === usual.rowBytes && partitions === usual.partitions
  );
}
