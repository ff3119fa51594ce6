/** The names of what a relay is doing, the same in logs, metrics and `/readyz`. Which follows which is in `relay.ts`. */
export const relayStates = ['standby', 'fencing', 'claiming', 'streaming', 'draining'] as const;

export type RelayState = (typeof relayStates)[number];
