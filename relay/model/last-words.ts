/**
 * What a relay that stopped itself said last: code, message and hint. They hold until a relay of the slot streams again, and
 * `status`, the console and /readyz show them alike. Pure.
 */

export type LastWords = {
  readonly instance: string;
  readonly host: string;
  /** When it stopped, ISO 8601. */
  readonly at: string;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
};

/** As a relay announces itself. */
type Announced = {
  readonly instance: string;
  readonly host: string;
  readonly state: string;
  readonly stateSince: string;
  /** By the clock of the database; those of the relays may differ. */
  readonly seenAt: string;
  readonly isGone: boolean;
  readonly facts: {
    readonly error: {
      readonly code: string;
      readonly message: string;
      readonly hint: string;
      readonly isOver: boolean;
    } | null;
  };
};

/** Those of the relay that stopped last: what stopped an earlier one may be repaired. null while a relay streams. */
export function lastWordsOf(relays: readonly Announced[]): LastWords | null {
  if (relays.some(({ state, isGone }) => state === 'streaming' && !isGone)) return null;
  const [last] = relays
    .filter(({ state, facts: { error } }) => state === 'stopped' && error?.isOver === false)
    .toSorted((a, b) => Date.parse(b.seenAt) - Date.parse(a.seenAt));
  if (last === undefined) return null;
  const { instance, host, stateSince: at, facts } = last;
  const { code, message, hint } = facts.error!;
  return { instance, host, at, code, message, hint };
}
