/** Every fault there is. */
import type { Fault } from '../fault.ts';
import { deadLetterFaults } from './dead-letters.ts';
import { hostileTextFaults } from './hostile-text.ts';
import { kafkaFaults } from './kafka.ts';
import { largeRowFaults } from './large-rows.ts';
import { networkFaults } from './network.ts';
import { postgresFaults } from './postgres.ts';
import { registryFaults } from './registry.ts';
import { relayFaults } from './relay.ts';
import { replicaFaults } from './replicas.ts';
import { slotFaults } from './slot.ts';

export const faults: readonly Fault[] = [
  ...relayFaults,
  ...postgresFaults,
  ...slotFaults,
  ...replicaFaults,
  ...kafkaFaults,
  ...networkFaults,
  ...registryFaults,
  ...deadLetterFaults,
  ...largeRowFaults,
  ...hostileTextFaults,
];
