/** The title of the page, from what is open. Pure. */

/** From the outside in. */
export type Level = 'slot' | 'screen' | 'heading' | 'dialog';

/** Longer ones are cut by browsers anyway, and a key can be of any length. */
const charactersMax = 120;

/** From the inside out. A heading that only repeats the screen is left out. */
export function titleOf({ slot, screen, heading, dialog }: Readonly<Record<Level, string>>): string {
  const parts = [dialog, heading, screen, slot, 'Outbox relay'].map((part) => part.slice(0, charactersMax));
  return parts.filter((part, index) => part !== '' && parts.indexOf(part) === index).join(' · ');
}
