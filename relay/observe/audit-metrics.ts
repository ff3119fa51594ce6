/** What an audit knows, as metrics. A relay that no longer streams forgets them: another one may know better by then. */
import type { Metrics } from './metrics.ts';

/** Facts of `outbox.audit`. */
export type AuditFacts = {
  readonly missingOpen: number;
  readonly duplicate: number;
  readonly leaked: number;
  readonly outOfOrder: number;
  readonly undecodable: number;
  readonly matched: number;
  readonly unjudged: Readonly<Record<string, number>>;
  readonly verifiedAt: Date | null;
  readonly lastRunAt: Date | null;
  readonly heldBack: string | null;
};

/** By kind; of missing events those that are still missing. */
export function openFindings(facts: AuditFacts): Readonly<Record<string, number>> {
  return {
    missing: facts.missingOpen,
    duplicate: facts.duplicate,
    leaked: facts.leaked,
    out_of_order: facts.outOfOrder,
    undecodable: facts.undecodable,
  };
}

export const hasFindings = (facts: AuditFacts): boolean =>
  Object.values(openFindings(facts)).some((count) => count > 0);

/** Events that are missing, or that Kafka removed: nothing tells, so that the others prove nothing of the whole. */
export const unproven = ({ unjudged }: Pick<AuditFacts, 'unjudged'>): number =>
  unjudged.missingOrRemoved ?? 0;

/** It has read events, and found the record or the dead letter of none. Where it has read none, there was nothing to see. */
export const hasComparedNothing = ({ events, matched }: { events: number; matched: number }): boolean =>
  events > 0 && matched === 0;

/** Zero findings are a fact only as of a time: before the first window is verified, there are none to report. */
export function setAuditMetrics({ gauge }: Metrics, facts: AuditFacts): void {
  const { verifiedAt, lastRunAt, heldBack, unjudged, matched } = facts;
  if (verifiedAt !== null) {
    gauge.audit_verified_timestamp_seconds.set(verifiedAt.getTime() / 1_000);
    gauge.audit_compared_events.set(matched);
    for (const [kind, count] of Object.entries(openFindings(facts)))
      gauge.audit_findings.set({ kind }, count);
    // An audit that started again may have none of a kind that it had before.
    gauge.audit_unjudged.reset();
    for (const [kind, count] of Object.entries(unjudged)) gauge.audit_unjudged.set({ kind }, count);
  }
  if (lastRunAt !== null) gauge.audit_last_run_timestamp_seconds.set(lastRunAt.getTime() / 1_000);
  gauge.audit_last_run_successful.set(heldBack === null && verifiedAt !== null ? 1 : 0);
}

/** Of a run that did not end. What was found before stays. */
export function auditFailed({ gauge }: Metrics): void {
  gauge.audit_last_run_timestamp_seconds.set(Date.now() / 1_000);
  gauge.audit_last_run_successful.set(0);
}
