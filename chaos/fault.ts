/** What a fault is. Each file in `faults/` exports a list of them. */
import type pg from 'pg';
import type { Random } from '../harness/random.ts';
import type { RelayCrew, RelayVariation } from '../harness/relay-crew.ts';
import type { Settings } from '../harness/relay-process.ts';
import type { ErrorCode } from '../relay/errors.ts';
import type { Load } from './load.ts';
import type { Oracle } from './oracle.ts';
import type { Servers } from './servers.ts';

export const faultClasses = ['relay', 'postgres', 'kafka', 'network', 'registry', 'dead-letters'] as const;
export type FaultClass = (typeof faultClasses)[number];

/** `publish.producer` of the relays. */
export const producers = ['lean', 'kafkajs'] as const;
export type Producer = (typeof producers)[number];

/** `publish.transactionVersion` of the relays: `auto` is version 2 on these brokers. The first is what a run has. */
export const transactionVersions = ['1', 'auto'] as const;
export type TransactionVersion = (typeof transactionVersions)[number];

/** Everything a fault may break or inspect. Writers, a consumer and one relay are at work when it is injected. */
export type Arena = {
  readonly servers: Servers;
  /** Of this world, as a superuser; the relay reaches the same database through its proxy. */
  readonly databaseUrl: string;
  readonly databaseName: string;
  /** As a superuser, not through a proxy; its queries fail while the server is down. */
  readonly pool: pg.Pool;
  readonly slot: string;
  readonly publication: string;
  readonly topic: string;
  readonly progressTopic: string;
  readonly transactionalId: string;
  readonly relays: RelayCrew;
  readonly load: Load;
  readonly oracle: Oracle;
  /** Repeated by the seed. */
  readonly random: Random;
  /** Registers a schema for events of this type, for `load.event(key, { type })`. */
  registerSchema(type: string, schema: object): Promise<void>;
  pause(ms: number): Promise<void>;
  /**
   * Resolves when all that is acknowledged now, and something newer, is seen by the consumer or dead-lettered.
   * @param timeoutMs on an idle machine
   */
  untilCaughtUp(timeoutMs: number): Promise<void>;
  /**
   * Resolves when the audit beside the faults, if there is one, has verified all that is published now. The topic is its
   * evidence: a fault that destroys it waits for this.
   */
  untilAudited(timeoutMs: number): Promise<void>;
  /** Resolves when the audit, if there is one, misses no event. Call it after all were published. */
  untilResolved(timeoutMs: number): Promise<void>;
};

export type Fault = {
  /** Unique; begins with a verb in the passive or a state: `killed at KAFKA_COMMITTED`. */
  readonly name: string;
  readonly class: FaultClass;
  /** What happens, in one sentence. */
  readonly about: string;
  /** The relay catches up by itself, or halts with one of these codes; it must not halt otherwise. */
  readonly expect: 'recovers' | { readonly haltsWith: readonly ErrorCode[] };
  /** Resolves when the fault is over: the time to recover counts from then on. Undoes what would not pass by itself. */
  inject(arena: Arena): Promise<void>;
  /** After an expected halt: removes the cause. The relay is then started again and must catch up. */
  readonly repair?: (arena: Arena) => Promise<void>;
  /** Needs a world of its own, with these settings of the relay: for faults that leave something behind. */
  readonly world?: Settings;
  /** How the first relay of its own world is started, before anything is written. */
  readonly firstRelay?: RelayVariation;
  /** Good events may become dead letters; it needs a world of its own, where they stay. */
  readonly mayDeadLetter?: boolean;
  /** Time limit to recover, where it is not 10 s. */
  readonly withinMs?: number;
  /** Only where the relays publish with this producer. */
  readonly producer?: Producer;
  /** Only where the relays have this setting, or --faults names it. */
  readonly transactionVersion?: TransactionVersion;
  /** Part of the short form. */
  readonly isShort?: boolean;
  /** Never paired with another; nor are those that halt or have a world of their own. */
  readonly isAlone?: boolean;
};
