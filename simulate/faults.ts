/** Owns which faults a run has and how often each happens. It counts them: a fault that never happened proves nothing. */
import type { Random } from '../harness/random.ts';

/** What can happen to a request and its answer. */
export type Fate =
  /** Both arrive. */
  | 'delivered'
  /** The connection breaks, and the request never arrives. */
  | 'request lost'
  /** The request is served, the connection breaks before the answer. */
  | 'answer lost'
  /** The connection breaks, and the request is served much later, when another relay may be active. */
  | 'request late'
  /** The request is served, and no answer arrives from then on. Only a time limit ends the wait. */
  | 'silence'
  /** The request is served a second time later. */
  | 'request twice';

export type RequestKind =
  | 'InitProducerId'
  | 'AddPartitionsToTxn'
  | 'Produce'
  | 'EndTxn'
  | 'Fetch'
  | 'Metadata'
  | 'Query'
  | 'CreateSlot'
  | 'Replication';

export type Incident =
  | 'relay killed'
  | 'relay and its host killed'
  | 'relay paused'
  | 'relay asked to stop'
  | 'Postgres crashed'
  | 'walsender terminated'
  | 'broker restarted'
  | 'broker restarted during EndTxn'
  | 'coordinator moved'
  | 'coordinator moved during EndTxn'
  | 'transaction version changed'
  | 'registry unavailable'
  | 'transaction markers slow'
  | 'checkpoint'
  | 'paused by a person'
  | 'topic held by a person'
  | 'topic set aside by a person'
  | 'resumed by a person'
  | 'dead letter fixed by a person'
  | 'dead letter discarded by a person'
  | 'key released by a person'
  | 'policy changed'
  | 'rate limit changed'
  | 'schema registered';

/** How often each incident happens, per minute of a run that has it. */
const incidentsPerMinute: Readonly<Record<Incident, number>> = {
  'relay killed': 12,
  'relay and its host killed': 6,
  'relay paused': 10,
  'relay asked to stop': 4,
  'Postgres crashed': 4,
  'walsender terminated': 6,
  'broker restarted': 8,
  'broker restarted during EndTxn': 20,
  'coordinator moved': 8,
  'coordinator moved during EndTxn': 10,
  'transaction version changed': 20,
  'registry unavailable': 4,
  'transaction markers slow': 6,
  checkpoint: 6,
  'paused by a person': 6,
  'topic held by a person': 4,
  'topic set aside by a person': 6,
  'resumed by a person': 20,
  'dead letter fixed by a person': 12,
  'dead letter discarded by a person': 4,
  'key released by a person': 6,
  'policy changed': 3,
  'rate limit changed': 6,
  'schema registered': 2,
};

const fates: readonly Exclude<Fate, 'delivered'>[] = [
  'request lost',
  'answer lost',
  'request late',
  'silence',
];

export class Faults {
  readonly counts = new Map<string, number>();
  readonly incidents: readonly { readonly what: Incident; readonly everyMs: number }[];
  /** The share of all requests that meet a fault. */
  readonly #requestShare: number;
  readonly #endTxnShare: number;
  readonly #slowShare: number;
  readonly #random: Random;
  isOver = false;

  /** A seed has some of the faults and not others, so that each one also occurs alone. */
  constructor(random: Random) {
    this.#random = random;
    this.#requestShare = random.pick([0, 0, 0.002, 0.01, 0.03]);
    this.#endTxnShare = random.pick([0, 0.02, 0.1]);
    this.#slowShare = random.pick([0, 0.01, 0.1]);
    const share = random.pick([0.2, 0.5, 0.8]);
    this.incidents = Object.entries(incidentsPerMinute)
      .filter(() => random.chance(share))
      .map(([what, perMinute]) => ({
        what: what as Incident,
        everyMs: 60_000 / perMinute / random.between(1, 8),
      }));
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  fate(kind: RequestKind): Fate {
    if (this.isOver) return 'delivered';
    const share = kind === 'EndTxn' ? Math.max(this.#endTxnShare, this.#requestShare) : this.#requestShare;
    if (!this.#random.chance(share)) return 'delivered';
    const fate = this.#pick(kind);
    this.count(`${kind}: ${fate}`);
    return fate;
  }

  #pick(kind: RequestKind): Fate {
    if (kind === 'Produce' && this.#random.chance(0.2)) return 'request twice';
    const fate = this.#random.pick(fates);
    // Postgres may take any time to create a slot, so the relay sets no limit, and checks over another connection whether
    // Postgres is still working on it (relay/capture/watch-slot-creation.ts). The model has only the end of that.
    return kind === 'CreateSlot' && fate === 'silence' ? 'answer lost' : fate;
  }

  /** How long a message takes, in ms. */
  latencyMs(): number {
    if (!this.isOver && this.#random.chance(this.#slowShare)) return this.#random.around(100);
    return 0.05 + this.#random.around(0.5);
  }
}
