/** Why an event is not published yet: each thing that may hold it up, as the status of the relay has it. Pure. */
import { activePauses, type Control, type Pause } from '../../model/control.ts';
import type { Verdict } from '../status-verdict.ts';

export type Holding = {
  /** null where the status could not be read. */
  readonly verdict: Pick<Verdict, 'name' | 'text' | 'advice' | 'concerns'> | null;
  readonly control: Pick<Control, 'pauses'> | null;
};

/** Concerns that keep events from being published, or that may. */
const concerning: ReadonlySet<string> = new Set(['disobeyed', 'relay-failing']);

/** @param topic of the event; null where it is not known @returns the most important first; none where the relay just streams */
export function reasonsOf(topic: string | null, { verdict, control }: Holding): string[] {
  if (verdict === null || control === null)
    return ['What the relay does now could not be read, so what holds it up is not known.'];
  const reasons: string[] = [];
  if (verdict.name !== 'streaming')
    reasons.push(`The relay: ${verdict.text}${verdict.advice === null ? '' : ` ${verdict.advice}`}`);
  // The verdict has the pause of everything.
  for (const pause of activePauses(control)) {
    const reason = pause.topic === null ? undefined : ofTopic(pause.topic, pause, topic);
    if (reason !== undefined) reasons.push(reason);
  }
  reasons.push(...verdict.concerns.filter(({ name }) => concerning.has(name)).map(({ text }) => text));
  return reasons;
}

function ofTopic(paused: string, { mode, person, reason, since, until }: Pause, topic: string | null) {
  const end = until === null ? '' : ` It ends by itself at ${until}.`;
  const who = `paused by ${person} since ${since}: ${reason}`;
  if (mode === 'hold')
    return paused === topic
      ? `Its topic is ${who}. The stream waits at the first event of it.${end}`
      : `Topic ${paused} is ${who}. The stream waits at the first event of it, and everything behind waits too.${end}`;
  return paused === topic ? `Its topic is ${who}. Its events are set aside.${end}` : undefined;
}
