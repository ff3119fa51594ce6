/** The list of listeners: what hears the facts of a relay. Another one is a line here. */
import type { Logger } from 'pino';
import { asRelayError, errorTable } from '../errors.ts';
import type { ComponentLogs } from './component-logs.ts';
import type { Health } from './health.ts';
import { healthListener } from './health-listener.ts';
import { logListener } from './log-listener.ts';
import type { Metrics } from './metrics.ts';
import { metricsListener } from './metrics-listener.ts';
import { composeListeners, type Listener, type RelayObserver, type ReportFault } from './observer.ts';

export type Outputs = { readonly logs: ComponentLogs; readonly metrics: Metrics; readonly health: Health };

/** @param more of the caller's own */
export function createObserver(
  { logs, metrics, health }: Outputs,
  more: readonly Listener[] = [],
): RelayObserver {
  const listeners: readonly Listener[] = [
    metricsListener(metrics, () => health.retries()),
    healthListener(health),
    logListener(logs),
    ...more,
  ];
  return composeListeners(listeners, reportFaults(logs.relay, metrics));
}

/** Counts each fault as a bug of the relay, which it is, and logs the first of each listener and fact. */
export function reportFaults(log: Logger, { counter }: Pick<Metrics, 'counter'>): ReportFault {
  const reported = new Set<string>();
  return (listener, fact, error) => {
    counter.errors_total.inc({ code: 'INTERNAL', class: errorTable.INTERNAL.class });
    const which = `${listener} ${fact}`;
    if (reported.has(which)) return;
    reported.add(which);
    log.error({ listener, fact, err: asRelayError(error) }, 'a listener failed; the relay goes on');
  };
}
