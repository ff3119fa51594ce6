/** What people have told the relay of a slot: what is paused, and how much it may publish. Pure. */

/** `hold`: the stream waits before the first event. `set-aside`: events become parked dead letters, and the stream goes on. */
export type PauseMode = 'hold' | 'set-aside';

export type Pause = {
  /** null: everything. */
  readonly topic: string | null;
  readonly mode: PauseMode;
  readonly person: string;
  readonly reason: string;
  /** ISO 8601, UTC. */
  readonly since: string;
  /** When it ends by itself. */
  readonly until: string | null;
  /** Its time is over, by the clock of the database. */
  readonly isOver: boolean;
  /** Set aside no more; keys that wait because of it are being released. */
  readonly isReleasing: boolean;
};

/** 0: no limit. */
export type RateLimits = { readonly eventsPerSecond: number; readonly bytesPerSecond: number };

export type Control = {
  /** Of the last change. */
  readonly revision: number;
  readonly pauses: readonly Pause[];
  /** What people have set in the place of the settings; null: as the settings say. */
  readonly limits: { readonly eventsPerSecond: number | null; readonly bytesPerSecond: number | null };
  /** Who set the limits. */
  readonly limitedBy: {
    readonly person: string;
    readonly reason: string | null;
    readonly since: string;
  } | null;
};

/** As if nobody had ever said anything. */
export const noControl: Control = {
  revision: 0,
  pauses: [],
  limits: { eventsPerSecond: null, bytesPerSecond: null },
  limitedBy: null,
};

/** Those that count now. */
export function activePauses({ pauses }: Pick<Control, 'pauses'>): readonly Pause[] {
  return pauses.filter(({ isOver, isReleasing }) => !isOver && !isReleasing);
}

/** What a pause covers, in one word: that of the label `scope` of the metric and of the field in /readyz. */
export type PauseScope = 'relay' | PauseMode;

export const scopeOf = ({ topic, mode }: Pick<Pause, 'topic' | 'mode'>): PauseScope =>
  topic === null ? 'relay' : mode;

/** What a person has said wins over the settings, in both directions, until they take it back. */
export function limitsOf({ limits }: Control, settings: RateLimits): RateLimits {
  return {
    eventsPerSecond: limits.eventsPerSecond ?? settings.eventsPerSecond,
    bytesPerSecond: limits.bytesPerSecond ?? settings.bytesPerSecond,
  };
}
