/** How each verdict is coloured, and where a person goes next. Pure. */
import type { Verdict, VerdictName } from '../../../../relay/operations/status-verdict.ts';

/** Of the tones of a badge. */
type Tone = 'good' | 'warn' | 'bad';

type Look = {
  /** Of the verdict without concerns. */
  readonly tone: Tone;
  readonly next: { readonly title: string; readonly path: string } | null;
};

const flow = { title: 'Resume, or change the limit', path: '/settings' };
const database = { title: 'Look at the slot', path: '/database' };

/** `bad`: nothing is published, and nobody meant that. `warn`: less is published than comes, or a person said so. */
export const looks: Readonly<Record<VerdictName, Look>> = {
  streaming: { tone: 'good', next: null },
  behind: { tone: 'warn', next: null },
  limited: { tone: 'warn', next: flow },
  paused: { tone: 'warn', next: flow },
  held: { tone: 'warn', next: flow },
  failing: { tone: 'bad', next: null },
  starting: { tone: 'warn', next: null },
  recovering: { tone: 'warn', next: null },
  'not-streaming': { tone: 'bad', next: null },
  stopped: { tone: 'bad', next: database },
  'no-relay': { tone: 'bad', next: null },
  'never-started': { tone: 'warn', next: null },
  'slot-lost': { tone: 'bad', next: database },
  unknown: { tone: 'bad', next: database },
};

/** A good verdict with concerns is one to look at. */
export function toneOf({ name, isGood }: Pick<Verdict, 'name' | 'isGood'>): Tone {
  const { tone } = looks[name];
  return tone === 'good' && !isGood ? 'warn' : tone;
}
