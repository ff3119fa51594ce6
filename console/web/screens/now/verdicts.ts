/** How each verdict is coloured, and where a person goes next from it and from each concern. Pure. */
import type { Concern, ConcernName } from '../../../../relay/operations/status-concerns.ts';
import type { Verdict } from '../../../../relay/operations/status-verdict.ts';
import { troubles, type VerdictName } from '../../../../relay/operations/verdicts.ts';

/** The commands that `status` names are done there. */
export type Step = { readonly title: string; readonly path: string };

const flow: Step = { title: 'Resume, or change the limit', path: '/settings' };
const database: Step = { title: 'Look at the slot', path: '/database' };
const check: Step = { title: 'Check Postgres, Kafka and the registry', path: '/database#check' };

export const nextSteps: Readonly<Record<VerdictName, Step | null>> = {
  streaming: null,
  behind: { title: 'See which topics and keys are busy', path: '/topics' },
  limited: flow,
  paused: flow,
  held: flow,
  failing: check,
  starting: null,
  recovering: null,
  'not-streaming': check,
  stopped: database,
  'no-relay': check,
  'never-started': check,
  'slot-lost': database,
  unknown: database,
};

/** Where each concern is looked at, and repaired as far as the console can. */
export const concernSteps: Readonly<Record<ConcernName, Step>> = {
  'stopped-before': check,
  'dead-letters': { title: 'Repair dead letters', path: '/dead-letters' },
  'parked-keys': { title: 'Release parked keys', path: '/parked-keys' },
  'set-aside': { title: 'Resume the topic', path: '/settings' },
  'slot-at-risk': database,
  'hanging-transaction': check,
  'relay-failing': check,
  'relay-down': check,
  disobeyed: flow,
  config: { title: 'See which settings', path: '/settings' },
  audit: { title: 'Look at the findings', path: '/audit' },
};

/** What is fixed needs no repair. */
export function stepOf({ name, command }: Pick<Concern, 'name' | 'command'>): Step {
  if (command === 'outbox-relay dead-letters release') return concernSteps['parked-keys'];
  if (command === 'outbox-relay dead-letters resubmit')
    return { title: 'Resubmit dead letters', path: '/dead-letters/list' };
  return concernSteps[name];
}

/** Of the tones of a badge. A good verdict with concerns is one to look at. */
export function toneOf({ name, isGood }: Pick<Verdict, 'name' | 'isGood'>): 'good' | 'warn' | 'bad' {
  return isGood ? 'good' : troubles.has(name) ? 'bad' : 'warn';
}
