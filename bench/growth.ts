/** Measures how the cost of an event grows: each cell is one backlog that the relay and the tuned Debezium drain in turn. */
import { settingsEnv } from '../harness/relay-process.ts';
import type { Kafka as KafkaServers } from '../stack/kafka.ts';
import { type Contender, relayContender } from './contender.ts';
import { drain } from './drain.ts';
import {
  type Cell,
  describe,
  type Growing,
  type Grown,
  type Growth,
  growing,
  isMeasuredFor,
} from './growth-cells.ts';
import { settleDisks } from './machine.ts';
import { untilWritten } from './reader.ts';
import { orderOf } from './report.ts';
import { defaultRowBytes } from './workload.ts';
import type { BenchWorld, Rows } from './world.ts';

/** Warms the relay up in each cell, since each has a process of its own: the memory of one cell is not that of another. */
const warmUpRows = (events: number): Rows => ({
  events: Math.min(50_000, events),
  perTransaction: 5,
  rowBytes: defaultRowBytes,
});

export type GrowthOptions = {
  readonly cells: readonly Cell[];
  /** Whose code is compiled already: a JVM for each cell would be a cold one. The relay is always measured. */
  readonly debezium: Contender | undefined;
  readonly say: (line: string) => void;
  /** Of a cell that cannot be measured; the others are. */
  readonly onFailure: (failure: string) => void;
};

export async function measureGrowth(
  world: BenchWorld,
  { cells, debezium, say, onFailure }: GrowthOptions,
): Promise<Growth[]> {
  const measured: Growth[] = [];
  const names = growing.filter((name) => name === 'relay' || debezium !== undefined);
  for (const [index, cell] of cells.entries()) {
    say(`growth ${index + 1} of ${cells.length}: ${describe(cell)}`);
    const order = orderOf(
      names.filter((name) => isMeasuredFor(name, cell)),
      index,
    );
    const results: Partial<Record<Growing, Grown>> = {};
    const failed = (what: string, error: unknown) =>
      onFailure(`growth of ${what}, ${describe(cell)}: ${error instanceof Error ? error.message : error}`);
    const env = settingsEnv({ PUBLISH_COMPRESSION: cell.compression });
    const relay = relayContender(world, { env }, `outbox_growth_${index + 1}`);
    const contenders = order.map((name) => (name === 'relay' ? relay : debezium!));
    try {
      const aggregateType = await written(world, relay, debezium, cell);
      for (const [turn, name] of order.entries())
        try {
          const grown = await grow(world, contenders[turn]!, aggregateType, cell);
          results[name] = grown;
          const { eventsPerSecond, cost, peakMemoryMb, lost, duplicates } = grown;
          say(
            `growth: ${name} ${eventsPerSecond} events/s, ${cost.whole} µs, ${peakMemoryMb} MB, ${lost} lost, ${duplicates} duplicated`,
          );
        } catch (error) {
          failed(name, error);
          await contenders[turn]!.reset();
        }
    } catch (error) {
      failed('all', error);
      for (const contender of contenders) await contender.reset();
    }
    measured.push({ cell, results });
    await relay.end();
    await world.database.query('truncate outbox.event'); // disks are finite, and no cell needs the rows of another
  }
  return measured;
}

/** @returns the `aggregatetype` of the rows, behind which both slots begin */
async function written(
  world: BenchWorld,
  relay: Contender,
  debezium: Contender | undefined,
  cell: Cell,
): Promise<string> {
  await warm(world, relay, warmUpRows(cell.events));
  if (isMeasuredFor('debezium', cell)) await debezium?.prepare(cell);
  const aggregateType = await world.newTopic(cell.partitions);
  await world.write(aggregateType, cell);
  return aggregateType;
}

async function grow(
  world: BenchWorld,
  contender: Contender,
  aggregateType: string,
  cell: Cell,
): Promise<Grown> {
  await settleDisks();
  const found = await drain(world, contender, aggregateType, cell);
  const isCompared = cell.dimension === 'compression' || cell.dimension === 'usual';
  const bytes = isCompared ? await topicBytes(world.stack.kafka, contender.topicOf(aggregateType)) : null;
  return { ...found, bytesPerEvent: bytes === null ? null : Math.round(bytes / cell.events) };
}

async function warm(world: BenchWorld, contender: Contender, rows: Rows): Promise<void> {
  const aggregateType = await world.newTopic(3);
  await contender.prepare();
  await world.write(aggregateType, rows);
  await contender.resume();
  const check = () => contender.check();
  await untilWritten(world.kafka, contender.topicOf(aggregateType), rows.events, check);
  await contender.pause();
}

/** As the broker keeps it, batches and markers; null where the broker is not ours. */
async function topicBytes(kafka: KafkaServers | undefined, topic: string): Promise<number | null> {
  if (kafka === undefined) return null;
  const args = ['--bootstrap-server', kafka.brokers[0]!, '--describe', '--topic-list', topic];
  const { stdout } = await kafka.tool('org.apache.kafka.tools.LogDirsCommand', args);
  const sizes = [...stdout.matchAll(/"size":(\d+)/g)].map(([, size]) => Number(size));
  if (sizes.length === 0) throw new Error(`the broker does not tell the size of ${topic}: ${stdout}`);
  return sizes.reduce((sum, size) => sum + size, 0);
}
