/** How far long work is, in words. Pure. */
import type { JobView } from '../../server/jobs.ts';
import { count } from './format.ts';

export function progressText({ done, total, phase }: JobView['progress']): string {
  if (total !== null) return `${phase}: ${count(done)} of ${count(total)}`;
  return done === 0 ? phase : `${phase}: ${count(done)}`;
}
