/**
 * What the standing audit has proven, and for which events. Promise: nothing is called proven that no run has compared: what
 * was left out at the beginning, what could not be judged, and what was committed since; nor anything where it has compared
 * no event. Pure.
 */
import { localTime } from '../../data/format.ts';
import { proofWords } from './words.ts';

export type Audited = {
  readonly verifiedAt: string | null;
  /** null: the audit began with the first row. */
  readonly beginsAt: string | null;
  /** Events whose record or dead letter it has found. */
  readonly matched: number;
  readonly unjudged: Readonly<Record<string, number>>;
};

export type Proof = {
  readonly tone: 'good' | 'warn' | 'bad';
  readonly label: string;
  /** Of which events between beginning and end: goes behind "Every event". undefined where nothing is proven. */
  readonly which?: string;
};

/** Kinds of rows that had no record, and may have lacked one for a reason. */
const notJudged = ['expired', 'compacted', 'undated'] as const;

/**
 * @param state.findings that are open
 * @param state.isDelayed the last run failed or verified nothing
 */
export function proofOf(
  { verifiedAt, beginsAt, matched, unjudged }: Audited,
  state: { readonly findings: number; readonly isDelayed: boolean; readonly isRunning: boolean },
): Proof {
  if (state.findings > 0) return { tone: 'bad', label: proofWords.bad };
  // Of these the audit knows that one of two is so, and a loss is one.
  if (verifiedAt === null || (unjudged.missingOrRemoved ?? 0) > 0)
    return { tone: 'warn', label: proofWords.warn };
  const open = notJudged.reduce((sum, kind) => sum + (unjudged[kind] ?? 0), 0);
  // Of an audit that began later, records are counted so, too.
  const before = beginsAt === null ? (unjudged.before ?? 0) : 0;
  if (matched === 0) return { tone: 'warn', label: 'nothing compared yet' };
  const from = beginsAt === null ? '' : ` from ${localTime(beginsAt)}`;
  const proven = `${proofWords.good}${from} until ${localTime(verifiedAt)}`;
  const which = [
    ...(before > 0 ? [' since the relay first started'] : []),
    ...(open > 0 ? [' that could be judged'] : []),
  ].join('');
  if (!state.isRunning) return { tone: 'warn', label: `${proven}, no audit is known to run`, which };
  if (state.isDelayed) return { tone: 'warn', label: `${proven}, delayed`, which };
  return { tone: 'good', label: proven, which };
}
