/** */
import type { Fault } from '../fault.ts';

export const postgresFaults: readonly Fault[] = [];
