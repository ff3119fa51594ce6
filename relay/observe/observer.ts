/**
 * Owns how facts reach their listeners. The facts are in `facts.ts`, the list of listeners is in `listeners.ts`.
 *
 * Promise: watching changes nothing. The relay says a fact once a transaction or a batch at most, never once an event. A
 * fact that nobody listens to is not even made: `observer.captured?.({ … })`. A listener that fails is reported; the
 * stream goes on as if it had not, and the other listeners hear the same facts in the same order.
 */
import type { Facts } from './facts.ts';

export type FactName = keyof Facts;

/** What the relay says facts to, and what a listener hears of them. What it leaves out costs nothing. */
export type RelayObserver = { readonly [Name in FactName]?: (fact: Facts[Name]) => void };

export type Listener = {
  /** For the report where it fails. */
  readonly name: string;
  readonly hears: RelayObserver;
};

/** A listener failed at a fact. */
export type ReportFault = (listener: string, fact: FactName, error: unknown) => void;

const factNames = Object.keys({
  captured: 0,
  encoded: 0,
  committed: 0,
  deadLettered: 0,
  acknowledged: 0,
  expired: 0,
  entered: 0,
  sessionBegun: 0,
  waited: 0,
  stepEnded: 0,
  retried: 0,
  recovered: 0,
  drainFailed: 0,
  drained: 0,
  stopped: 0,
  sampled: 0,
  peerSeen: 0,
  tailFailed: 0,
  tailRecovered: 0,
  tableDoubted: 0,
  slotCreating: 0,
  slotWaited: 0,
  slotSeen: 0,
  slotLost: 0,
  deadLettersReread: 0,
  standbyCounted: 0,
  dutyFailed: 0,
  heartbeatReturned: 0,
  lookalikesSeen: 0,
  partitionsMade: 0,
  partitionsSkipped: 0,
  deadLettersCounted: 0,
  deadLettersPurged: 0,
  schemasDistrusted: 0,
  throttled: 0,
} satisfies Record<FactName, 0>) as readonly FactName[];

/**
 * One observer that says each fact to every listener that hears it, in the order of the list, before the relay goes on.
 * What a listener throws, or rejects with, goes to `report`; the others hear the fact all the same.
 */
export function composeListeners(listeners: readonly Listener[], report: ReportFault): RelayObserver {
  const observer: Partial<Record<FactName, (fact: never) => void>> = {};
  for (const name of factNames) {
    const hearing = listeners.filter(({ hears }) => hears[name] !== undefined);
    if (hearing.length > 0) observer[name] = (fact) => sayToAll(hearing, name, fact, report);
  }
  return observer as RelayObserver;
}

function sayToAll(hearing: readonly Listener[], name: FactName, fact: never, report: ReportFault): void {
  for (const { name: listener, hears } of hearing) {
    try {
      const answer: unknown = hears[name]!(fact);
      if (answer instanceof Promise)
        answer.catch((error: unknown) => reportSafely(report, listener, name, error));
    } catch (error) {
      reportSafely(report, listener, name, error);
    }
  }
}

/** The log and the metrics report, and may be what fails. */
function reportSafely(report: ReportFault, listener: string, fact: FactName, error: unknown): void {
  try {
    report(listener, fact, error);
  } catch {
    // Nothing is left to report to.
  }
}
