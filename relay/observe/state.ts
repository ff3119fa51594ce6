/**
 * What a relay is doing: one name and one phrase for each state, the same in logs, metrics and `/readyz`. Which follows
 * which is in `relay.ts`.
 */
export const relayWork = {
  standby: 'waiting for the replication slot',
  fencing: 'fencing the predecessor',
  claiming: 'reading the progress',
  lineage: 'comparing the progress with the database',
  recovering: 'recovering from a lost slot',
  streaming: 'publishing events',
  draining: 'shutting down',
} as const;

export type RelayState = keyof typeof relayWork;

export const relayStates = Object.keys(relayWork) as readonly RelayState[];
