/** Times and numbers as the sentences of `status` say them. Pure. A time left is never longer than it is: it is rounded down. */
import { count } from '../model/counted.ts';

const hour = 3_600;

export function ageOf(time: string, at: string): number {
  return Math.max(0, (Date.parse(at) - Date.parse(time)) / 1_000);
}

/** `12 s`, `4 min`, `61 hours`, `4 days` */
export function describeSeconds(seconds: number): string {
  if (seconds < 90) return `${Math.floor(seconds)} s`;
  if (seconds < 2 * hour) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 72 * hour) return `${Math.floor(seconds / hour)} hours`;
  return `${count(Math.floor(seconds / (24 * hour)))} days`;
}

export function describeMs(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : describeSeconds(ms / 1_000);
}

/** What to do, and the command that does it; the console has a place for it instead. */
export type Remedy = { readonly advice: string | null; readonly command: string | null };

/** For a terminal: `Resume when the reason is gone: `outbox-relay resume`.` null where there is nothing to do. */
export function adviceWithCommand({ advice, command }: Remedy): string | null {
  if (command === null) return advice;
  return advice === null ? `Run \`${command}\`.` : `${advice.replace(/\.$/, '')}: \`${command}\`.`;
}
