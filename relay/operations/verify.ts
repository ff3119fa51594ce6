/** Holds the relay to its promise: compares the outbox table with the topics. Reads only. */
import type { Logger } from 'pino';
import { type AuditOptions, type AuditReport, audit } from '../audit/audit.ts';
import { createKafka } from '../connect/kafka.ts';

export type { AuditReport, AuditStage } from '../audit/audit.ts';
export type * from '../audit/findings.ts';
export { Foreign, type ForeignTopic } from '../audit/foreign.ts';

/** @throws RelayError POSTGRES_*, OUTBOX_TABLE_INVALID, KAFKA_*, REGISTRY_*, PROGRESS_UNREADABLE */
export function verify(
  options: Omit<AuditOptions, 'kafka'> & { readonly log: Logger },
): Promise<AuditReport> {
  return audit({ ...options, kafka: createKafka(options.config, options.log) });
}
