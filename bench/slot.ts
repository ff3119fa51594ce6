/** What one replication slot of Postgres gives at most: `pg_recvlogical`, or a reader of ours where it is missing. */
import { execFile } from 'node:child_process';
import { access, readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { logTail } from '../stack/run.ts';
import { CostMeter, micros } from './cost.ts';
import { type Drain, perSecond, usageOf } from './drain.ts';
import { nowMs } from './machine.ts';
import type { BenchWorld, Rows } from './world.ts';

const execFileAsync = promisify(execFile);
export const limitSlot = 'bench_limit';
const ownReader = path.join(import.meta.dirname, 'slot-reader.ts');

export type SlotReader = {
  /** As it names itself; for the output. */
  readonly description: string;
  readonly command: string;
  args(databaseUrl: string, end: string): string[];
};

export async function createLimitSlot(world: BenchWorld): Promise<void> {
  await world.database.query(`select pg_create_logical_replication_slot('${limitSlot}', 'pgoutput')`);
}

/** Reads the slot up to `end` and writes to nowhere, in a process of its own. */
export async function drainSlot(
  world: BenchWorld,
  reader: SlotReader,
  end: string,
  rows: Rows,
): Promise<Drain> {
  const args = reader.args(world.stack.databaseUrl, end);
  const startMs = nowMs();
  const server = world.run.start({ name: 'slot-reader', command: reader.command, args });
  let activeMs = 0;
  const meter = await CostMeter.of(world, { pid: null, slot: limitSlot });
  const { cpu, memory } = await usageOf(server, async () => {
    await meter.sample();
    if (activeMs === 0 && (await world.isSlotActive(limitSlot))) activeMs = nowMs();
  });
  const endMs = nowMs();
  const how = await server.exited;
  if (how !== 'exit code 0') throw new Error(`${reader.description}: ${how}\n${logTail(server.logFile)}`);
  const { events } = rows;
  return {
    events,
    eventsPerSecond: perSecond(events, endMs - (activeMs || startMs)),
    cost: { ...meter.costOf(events), own: micros(cpu, events), broker: null },
    peakMemoryMb: memory,
    lost: 0,
    duplicates: 0,
  };
}

/** @param own the reader of ours also where `pg_recvlogical` is there */
export async function findSlotReader(world: BenchWorld, own = false): Promise<SlotReader> {
  const command = own ? undefined : await findRecvlogical(world);
  if (command === undefined)
    return {
      description: 'bench/slot-reader.ts',
      command: process.execPath,
      args: (url, end) => [ownReader, url, limitSlot, end],
    };
  return {
    description: (await execFileAsync(command, ['--version'])).stdout.trim(),
    command,
    args: (url, end) => [
      ...['--dbname', url, '--slot', limitSlot, '--start', '--no-loop', '--endpos', end],
      ...['--file', '/dev/null', '--option', 'proto_version=1', '--option', 'publication_names=outbox_relay'],
    ],
  };
}

/** `POSTGRES_BIN_DIR`, the server's own folder, the path, Debian's folders; undefined when it is nowhere. */
async function findRecvlogical(world: BenchWorld): Promise<string | undefined> {
  const debian = '/usr/lib/postgresql';
  const majors = await readdir(debian).catch(() => []);
  const folders = [
    process.env.POSTGRES_BIN_DIR,
    world.stack.postgres?.binDir,
    ...(process.env.PATH ?? '').split(path.delimiter),
    ...majors.sort((a, b) => Number(b) - Number(a)).map((major) => path.join(debian, major, 'bin')),
  ];
  for (const folder of folders) {
    if (!folder) continue;
    const command = path.join(folder, 'pg_recvlogical');
    const isThere = await access(command).then(
      () => true,
      () => false,
    );
    if (isThere) return command;
  }
  return undefined;
}
