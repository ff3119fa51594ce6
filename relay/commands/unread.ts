/** With which code a command ends that went on without a part that it could not read. */
import { type ErrorCode, type ErrorEntry, errorTable, exitCodes } from '../errors.ts';

/** Those that a person has to do something about come first: an outage may be over the next time. */
const gravestFirst: readonly ErrorEntry['exit'][] = [
  'internal',
  'usage',
  'unauthorized',
  'stopped',
  'unavailable',
  'findings',
];

/** @param codes why something could not be read. @returns undefined where everything could */
export function exitCodeOf(codes: readonly ErrorCode[]): number | undefined {
  const met = new Set(codes.map((code) => errorTable[code].exit));
  const gravest = gravestFirst.find((exit) => met.has(exit));
  return gravest === undefined ? undefined : exitCodes[gravest];
}
