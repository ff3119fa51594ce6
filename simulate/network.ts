/**
 * Connections between machines and servers. Messages in one direction of a connection stay in order. Between connections
 * there is no order, so a request of a relay that has long ended can still arrive.
 */

import type { Random } from '../harness/random.ts';
import type { Fate, Faults, RequestKind } from './faults.ts';
import type { Machine, Scheduler } from './scheduler.ts';

export type Served<T> = (answer: (value: T) => void) => void;

/** One process that accepts connections. */
export class Server {
  readonly name: string;
  isUp = true;
  readonly links = new Set<Link>();

  constructor(name: string) {
    this.name = name;
  }
}

export type Trace = (who: string, what: string) => void;

export class Network {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly faults: Faults;
  readonly trace: Trace;
  /** When the last of the late requests arrives. */
  lastLateMs = 0;

  constructor(scheduler: Scheduler, random: Random, faults: Faults, trace: Trace) {
    this.scheduler = scheduler;
    this.random = random;
    this.faults = faults;
    this.trace = trace;
  }

  /** @returns a promise that rejects if the server is down */
  connect(machine: Machine, server: Server, refusal: () => Error): Promise<Link> {
    return new Promise((resolve, reject) => {
      this.scheduler.after(
        this.faults.latencyMs() * 2,
        () => {
          if (!server.isUp) return reject(refusal());
          resolve(new Link(this, machine, server));
        },
        machine,
      );
    });
  }

  /** The kernel closes the connections of a killed process; if its host is lost too, nobody does. */
  kill(machine: Machine, servers: readonly Server[], withHost: boolean): void {
    machine.isDead = true;
    for (const server of servers)
      for (const link of [...server.links]) if (link.machine === machine) link.abandon(withHost);
  }

  stop(server: Server, downMs: number, onUp: () => void = () => {}): void {
    server.isUp = false;
    for (const link of [...server.links]) link.breakAtServer('the server is down');
    this.scheduler.after(downMs, () => {
      server.isUp = true;
      onUp();
    });
  }
}

/** How long a server keeps the connection of a lost host. */
const keepaliveMs = 8_000;

export class Link {
  readonly machine: Machine;
  readonly server: Server;
  isOpen = true;
  /** Called in the machine when the connection is lost, but not when its owner closes it. */
  onBreak: (() => void) | undefined;
  /** Called at the server when it learns that the connection is lost. */
  onServerEnd: (() => void) | undefined;
  readonly #network: Network;
  #isMute = false;
  #toServerMs = 0;
  #toClientMs = 0;
  #isServerEnded = false;
  #lateMs = 0;

  constructor(network: Network, machine: Machine, server: Server) {
    this.#network = network;
    this.machine = machine;
    this.server = server;
    server.links.add(this);
  }

  /** From the server. Arrives in order, if the connection is still open then. */
  toClient(run: () => void): void {
    if (this.#isMute) return;
    const { scheduler, faults } = this.#network;
    this.#toClientMs = Math.max(this.#toClientMs + 0.001, scheduler.nowMs + faults.latencyMs());
    scheduler.at(this.#toClientMs, () => this.isOpen && run(), this.machine);
  }

  /** From the client, without an answer. */
  toServer(run: () => void): void {
    if (this.#isMute) return;
    const { scheduler, faults } = this.#network;
    this.#toServerMs = Math.max(this.#toServerMs + 0.001, scheduler.nowMs + faults.latencyMs());
    scheduler.at(this.#toServerMs, () => this.server.isUp && !this.#isServerEnded && run());
  }

  /** From now on nothing arrives in either direction, and neither side notices. */
  mute(): void {
    this.#isMute = true;
  }

  request<T>(kind: RequestKind, what: string, serve: Served<T>, onAnswer: (value: T) => void): void {
    const { scheduler, faults, trace, random } = this.#network;
    const fate = faults.fate(kind);
    trace(this.machine.name, `${what} → ${this.server.name}${fate === 'delivered' ? '' : ` (${fate})`}`);
    const answer = (value: T) => {
      if (fate === 'answer lost') this.#breakSoon();
      else this.toClient(() => onAnswer(value));
    };
    if (this.#isMute) return;
    const served = fate === 'delivered' ? answer : once(answer);
    this.#deliver(fate, () => serve(served));
    if (fate === 'silence') this.mute();
    if (fate === 'request late' || fate === 'request lost') this.#breakSoon();
    if (fate === 'request twice') scheduler.after(random.between(0, 2_000), () => serve(() => {}));
  }

  #deliver(fate: Fate, serve: () => void): void {
    const { scheduler, random } = this.#network;
    if (fate === 'request lost') return;
    // The delayed request arrives in the end. Only after it does the server learn that the client is gone.
    if (fate !== 'request late') {
      this.toServer(serve);
      return;
    }
    const arrivalMs = scheduler.nowMs + random.pick([5, 50, 500, 3_000, 8_000]) * random.between(0.5, 1.5);
    this.#network.lastLateMs = Math.max(this.#network.lastLateMs, arrivalMs);
    this.#lateMs = Math.max(this.#lateMs, arrivalMs);
    scheduler.at(arrivalMs, () => {
      if (this.server.isUp && !this.#isServerEnded) serve();
    });
  }

  #breakSoon(): void {
    this.#network.scheduler.after(this.#network.faults.latencyMs(), () => this.break('connection reset'));
  }

  /** Both sides lose it. */
  break(why: string): void {
    if (!this.isOpen) return;
    this.#network.trace(this.machine.name, `connection to ${this.server.name} lost: ${why}`);
    this.isOpen = false;
    const { scheduler, faults } = this.#network;
    scheduler.after(faults.latencyMs(), () => this.onBreak?.(), this.machine);
    scheduler.at(Math.max(scheduler.nowMs + faults.latencyMs(), this.#lateMs + 0.001), () =>
      this.#endAtServer(),
    );
  }

  /** The server ends it, or is down itself. */
  breakAtServer(why: string): void {
    this.break(why);
    this.#endAtServer();
  }

  /** The client closes it. What it has sent still arrives. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const { scheduler, faults } = this.#network;
    const endMs = Math.max(
      this.#toServerMs + 0.001,
      this.#lateMs + 0.001,
      scheduler.nowMs + faults.latencyMs(),
    );
    scheduler.at(this.#isMute ? endMs + keepaliveMs : endMs, () => this.#endAtServer());
  }

  /** The client has ended. */
  abandon(withHost: boolean): void {
    if (withHost) this.mute();
    this.close();
  }

  #endAtServer(): void {
    if (this.#isServerEnded) return;
    this.#isServerEnded = true;
    this.server.links.delete(this);
    this.onServerEnd?.();
  }
}

function once<T>(answer: (value: T) => void): (value: T) => void {
  let isAnswered = false;
  return (value) => {
    if (isAnswered) return;
    isAnswered = true;
    answer(value);
  };
}
