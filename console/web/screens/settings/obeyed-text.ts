/** Who obeys what a person has said. Pure. */
import type { Obedience } from '../../../../relay/operations/control.ts';

export function obeyedText({ outcome, relays }: Pick<Obedience, 'outcome' | 'relays'>): string {
  const names = relays.join(', ');
  if (outcome === 'obeyed') return `Done. ${names} ${relays.length === 1 ? 'follows' : 'follow'} it.`;
  if (outcome === 'waiting')
    return `It is stored. Not every relay follows it yet: ${names}. A relay does within seconds once it reaches Postgres.`;
  if (outcome === 'nobody') return 'It is stored. No relay streams now; the next one to start follows it.';
  return 'Nothing was changed.';
}
