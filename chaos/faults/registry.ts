/** */
import type { Fault } from '../fault.ts';

export const registryFaults: readonly Fault[] = [];
