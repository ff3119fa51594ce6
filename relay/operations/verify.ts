/** Holds the relay to its promise: compares the outbox table with the topics. Reads only. */
import type { Logger } from 'pino';
import { type AuditOptions, type AuditReport, audit } from '../audit/audit.ts';
import type { Config } from '../config/config.ts';
import { createKafka } from '../connect/kafka.ts';

export type { AuditReport, AuditStage } from '../audit/audit.ts';
export type * from '../audit/findings.ts';
export { Foreign, type ForeignTopic } from '../audit/foreign.ts';

const waitLeastMs = 30_000;
/**
 * An idle relay writes a heartbeat up to `heartbeatMs` after the snapshot, and commits its progress up to `heartbeatMs` after
 * that: a shorter wait never tells a lost event from one that is still to come. The third is for slow servers.
 */
const waitHeartbeats = 3;

/** How long `verify` waits if nobody says it. */
export const verifyWaitMs = ({
  capture,
}: {
  readonly capture: Pick<Config['capture'], 'heartbeatMs'>;
}): number => Math.max(waitLeastMs, waitHeartbeats * capture.heartbeatMs);

/** @throws RelayError POSTGRES_*, OUTBOX_TABLE_INVALID, KAFKA_*, REGISTRY_*, PROGRESS_UNREADABLE */
export function verify(
  options: Omit<AuditOptions, 'kafka' | 'waitMs'> & { readonly waitMs?: number; readonly log: Logger },
): Promise<AuditReport> {
  const { config, log, waitMs = verifyWaitMs(config) } = options;
  return audit({ ...options, waitMs, kafka: createKafka(config, log) });
}
