/** One run of the comparison: every competitor in turn, on the same rows and the same servers. */
import { kafkaVersion } from '../stack/fetch.ts';
import { type Contender, contenderOf } from './contender.ts';
import { debeziumVersion } from './debezium/connect.ts';
import { type Drain, drain, drainPerfClient } from './drain.ts';
import { measureGrowth } from './growth.ts';
import type { Growth } from './growth-cells.ts';
import { idleCpuPercent, type Live, measureLive, publishing } from './live.ts';
import { describeMachine, settleDisks } from './machine.ts';
import type { Plan } from './plan.ts';
import { type Competitor, type ContenderName, isContender, orderOf, type Report, report } from './report.ts';
import { createLimitSlot, drainSlot, findSlotReader, limitSlot, type SlotReader } from './slot.ts';
import { BenchWorld, type Rows } from './world.ts';

export type RunOptions = {
  /** The reader of ours also where `pg_recvlogical` exists. */
  readonly ownReader: boolean;
  readonly say: (line: string) => void;
};

export async function measure(plan: Plan, options: RunOptions): Promise<Report> {
  const machine = await describeMachine();
  await using world = await BenchWorld.start(options.say);
  const bench = new Bench(world, plan, options.say, await findSlotReader(world, options.ownReader));
  return await bench.run(machine);
}

class Bench {
  readonly #world: BenchWorld;
  readonly #plan: Plan;
  readonly #say: (line: string) => void;
  readonly #slotReader: SlotReader;
  readonly #contenders = new Map<ContenderName, Contender>();
  readonly #failures: string[] = [];
  readonly #rounds: Partial<Record<Competitor, Drain[]>> = {};
  readonly #warmUp: Partial<Record<Competitor, Drain>> = {};
  readonly #live: Partial<Record<ContenderName, Live[]>> = {};
  #idle: number | null = null;

  constructor(world: BenchWorld, plan: Plan, say: (line: string) => void, slotReader: SlotReader) {
    this.#world = world;
    this.#plan = plan;
    this.#say = say;
    this.#slotReader = slotReader;
  }

  async run(machine: Report['machine']): Promise<Report> {
    const { competitors, rounds, events, warmUpEvents, perTransaction, rowBytes, partitions } = this.#plan;
    for (const name of competitors.filter(isContender))
      this.#contenders.set(name, contenderOf(this.#world, name, this.#say));
    const rows = { events, perTransaction, rowBytes };
    if (warmUpEvents > 0) await this.#round('warm-up', 0, { ...rows, events: warmUpEvents });
    if (rounds > 0 && competitors.includes('pg_recvlogical')) await createLimitSlot(this.#world);
    for (let round = 1; round <= rounds; round += 1)
      await this.#round(`round ${round} of ${rounds}`, round, rows);
    await this.#measureLive();
    const growth = await this.#grow();
    return report(
      {
        rounds: this.#rounds,
        warmUp: this.#warmUp,
        live: this.#live,
        idleCpuPercent: this.#idle,
        growth,
        failures: this.#failures,
      },
      { ...machine, ...(await this.#versions()) },
      { ...rows, partitions, rounds, warmUpEvents },
    );
  }

  /** All on the same rows. @param round 0 for the warm-up, which does not count */
  async #round(label: string, round: number, rows: Rows): Promise<void> {
    const { competitors, partitions } = this.#plan;
    // The limits need no warm-up of their own: the perf client is a new process each time, the slot no JVM at all.
    const names = orderOf(competitors, round).filter((name) => round > 0 || isContender(name));
    if (names.length === 0) return;
    const ready: Competitor[] = [];
    for (const name of names)
      await this.#attempt(`${label}: ${name}`, name, async () => {
        await this.#contenderOf(name)?.prepare();
        ready.push(name);
      });
    this.#say(`${label}: writing ${rows.events} events, for ${ready.join(', ')}`);
    const aggregateType = await this.#world.newTopic(partitions);
    const end = await this.#world.write(aggregateType, rows);
    for (const name of ready)
      await this.#attempt(`${label}: ${name}`, name, async () => {
        await settleDisks();
        const found = await this.#drain(name, aggregateType, rows, end);
        const { eventsPerSecond, cost, lost, duplicates } = found;
        this.#say(
          `${label}: ${name} ${eventsPerSecond} events/s, ${cost.whole ?? '–'} µs per event, ${lost} lost, ${duplicates} duplicated`,
        );
        if (round === 0) this.#warmUp[name] = found;
        else this.#rounds[name] = [...(this.#rounds[name] ?? []), found];
      });
    await this.#world.database.query('truncate outbox.event'); // no other round reads these rows
  }

  async #drain(name: Competitor, aggregateType: string, rows: Rows, end: string): Promise<Drain> {
    const { partitions } = this.#plan;
    switch (name) {
      case 'perf-client': {
        // A JVM takes seconds to compile its code: with fewer events the figure would be that of a cold start.
        const more = { ...rows, events: rows.events * 5 };
        return drainPerfClient(this.#world, await this.#world.newTopic(partitions), more);
      }
      case 'pg_recvlogical':
        return drainSlot(this.#world, this.#slotReader, end, rows);
      default:
        return drain(this.#world, this.#contenders.get(name)!, aggregateType, rows);
    }
  }

  /** One contender after another at each load: at the same time they would compete for the machine. */
  async #measureLive(): Promise<void> {
    const { live, liveSeconds } = this.#plan;
    for (const [index, { rate, names }] of live.entries())
      for (const name of orderOf(names, index))
        await this.#attempt(`latency of ${name} at ${rate} events/s`, name, async () => {
          const contender = this.#contenders.get(name)!;
          await contender.prepare();
          await contender.resume();
          await contender.catchUp();
          const subject = publishing(name, contender.pid, contender.topicOf);
          const options = { rates: [rate], seconds: liveSeconds, warmUp: false };
          const found = await measureLive(this.#world, subject, options, this.#say);
          this.#live[name] = [...(this.#live[name] ?? []), ...found];
          if (name === 'relay' && this.#idle === null) {
            this.#say('measuring the idle relay');
            this.#idle = await idleCpuPercent(contender.pid, liveSeconds);
          }
          await contender.pause();
        });
  }

  async #grow(): Promise<Growth[]> {
    const { cells, growing } = this.#plan;
    const debezium = growing.includes('debezium') ? this.#contenders.get('debezium') : undefined;
    // What the others would still read keeps WAL, and the relay of each cell takes the slot of the one so far.
    for (const [name, contender] of this.#contenders)
      if (contender !== debezium) await this.#attempt(`the end of ${name}`, name, () => contender.end());
    await this.#world.dropSlot(limitSlot);
    if (cells.length === 0) return [];
    return measureGrowth(this.#world, {
      cells,
      debezium,
      say: this.#say,
      onFailure: (failure) => this.#fail(failure),
    });
  }

  #contenderOf(name: Competitor): Contender | undefined {
    return isContender(name) ? this.#contenders.get(name) : undefined;
  }

  /** A part that fails is named and voids the run; the others are measured all the same. */
  async #attempt(what: string, name: Competitor, part: () => Promise<void>): Promise<void> {
    try {
      await part();
    } catch (error) {
      this.#fail(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      await this.#contenderOf(name)?.reset();
    }
  }

  #fail(failure: string): void {
    this.#failures.push(failure);
    this.#say(`FAILED ${failure}`);
  }

  async #versions() {
    const { rows } = await this.#world.database.query<{ v: string }>(
      "select current_setting('server_version') v",
    );
    const hasDebezium = this.#plan.competitors.some((name) => name.startsWith('debezium'));
    return {
      postgres: rows[0]?.v,
      kafka: await kafkaVersion(),
      slotReader: this.#slotReader.description,
      debezium: hasDebezium ? await debeziumVersion() : null,
    };
  }
}
