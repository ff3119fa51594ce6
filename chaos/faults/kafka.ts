/** */
import type { Fault } from '../fault.ts';

export const kafkaFaults: readonly Fault[] = [];
