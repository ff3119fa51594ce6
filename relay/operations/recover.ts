/** Closes a gap between the outbox table and Kafka; the steps are in the room of the same name. */
export type { RecoverOptions, RecoverStage } from '../recover/options.ts';
export { recover } from '../recover/recover.ts';
export type { Recovery, Some } from '../recover/report.ts';
