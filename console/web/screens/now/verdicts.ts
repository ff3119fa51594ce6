/** How each verdict is coloured, and where a person goes next. Pure. */
import type { Verdict } from '../../../../relay/operations/status-verdict.ts';
import { troubles, type VerdictName } from '../../../../relay/operations/verdicts.ts';

type Step = { readonly title: string; readonly path: string };

const flow: Step = { title: 'Resume, or change the limit', path: '/settings' };
const database: Step = { title: 'Look at the slot', path: '/database' };

export const nextSteps: Readonly<Record<VerdictName, Step | null>> = {
  streaming: null,
  behind: null,
  limited: flow,
  paused: flow,
  held: flow,
  failing: null,
  starting: null,
  recovering: null,
  'not-streaming': null,
  stopped: database,
  'no-relay': null,
  'never-started': null,
  'slot-lost': database,
  unknown: database,
};

/** Of the tones of a badge. A good verdict with concerns is one to look at. */
export function toneOf({ name, isGood }: Pick<Verdict, 'name' | 'isGood'>): 'good' | 'warn' | 'bad' {
  return isGood ? 'good' : troubles.has(name) ? 'bad' : 'warn';
}
