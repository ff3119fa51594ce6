/** Who obeys what a person has said. Pure. */
import type { Obedience } from '../../../../relay/operations/control.ts';

export function obeyedText({ outcome, relays }: Pick<Obedience, 'outcome' | 'relays'>): string {
  const names = relays.join(', ');
  if (outcome === 'obeyed') return `Done. Obeyed by ${names}.`;
  if (outcome === 'waiting')
    return `It is stored, but not obeyed yet by all of: ${names}. A relay obeys within seconds once it reaches Postgres.`;
  if (outcome === 'nobody') return 'It is stored. No relay streams now; it counts from the next start on.';
  return 'Nothing was changed.';
}
