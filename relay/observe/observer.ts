/**
 * Owns how facts reach their listeners. The facts are in `facts.ts`, the list of listeners is in `listeners.ts`.
 *
 * Promise: watching changes nothing. The relay says a fact once a transaction or a batch at most, never once an event. A
 * fact that nobody listens to is not even made: `observer.captured?.({ … })`. A listener that fails is reported; the
 * stream goes on as if it had not, and the other listeners hear the same facts in the same order.
 */
import type { Facts } from './facts.ts';

export type FactName = keyof Facts;

/** What the relay says facts to, and what a listener hears of them: each a property of its own. The rest costs nothing. */
export type RelayObserver = { readonly [Name in FactName]?: (fact: Facts[Name]) => void };

export type Listener = {
  /** For the report where it fails. */
  readonly name: string;
  readonly hears: RelayObserver;
};

/** A listener failed at a fact. */
export type ReportFault = (listener: string, fact: FactName, error: unknown) => void;

/**
 * One observer that says each fact to every listener that hears it, in the order of the list, before the relay goes on.
 * What a listener throws, or rejects with, goes to `report`; the others hear the fact all the same.
 */
export function composeListeners(listeners: readonly Listener[], report: ReportFault): RelayObserver {
  const observer: Partial<Record<FactName, (fact: never) => void>> = {};
  const heard = new Set(listeners.flatMap(({ hears }) => Object.keys(hears) as FactName[]));
  for (const name of heard) {
    const hearing = listeners.filter(({ hears }) => hears[name] !== undefined);
    observer[name] = (fact) => sayToAll(hearing, name, fact, report);
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
