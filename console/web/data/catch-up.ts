/**
 * When a relay that is behind will have caught up, by how the age of its oldest unpublished event has changed. Pure. Promise:
 * it is said only where that age shrinks steadily enough to be believed.
 */

export type CatchUp =
  | { readonly kind: 'done' }
  /** In so many seconds, if it goes on so. */
  | { readonly kind: 'nearer'; readonly seconds: number }
  /** The age stays as it is: what is written is what is published. */
  | { readonly kind: 'same' }
  | { readonly kind: 'further' }
  | { readonly kind: 'unknown' };

type Aged = { readonly seconds: readonly number[]; readonly lagMs: readonly (number | null)[] };

/** A minute of samples every 5 s has 12. Less says nothing. */
const samplesMin = 4;
const spanSecondsMin = 15;
/** Age gained or lost in a second of time. Below it the age is the same. */
const slopeMin = 0.02;
/** As a live stream has. */
const caughtUpMs = 1_000;

/** @param aged the latest samples, oldest first */
export function catchUpOf({ seconds, lagMs }: Aged): CatchUp {
  const known = seconds.flatMap((at, index) => {
    const ms = lagMs[index];
    return ms == null ? [] : [{ at, lag: ms / 1_000 }];
  });
  const last = known.at(-1);
  if (last === undefined || lagMs.at(-1) == null) return { kind: 'unknown' };
  if (last.lag * 1_000 < caughtUpMs) return { kind: 'done' };
  if (known.length < samplesMin || last.at - known[0]!.at < spanSecondsMin) return { kind: 'unknown' };
  const slopes = [slopeOf(known), slopeOf(known.slice(-Math.max(3, Math.ceil(known.length / 2))))];
  // A pause that ended within the minute, or a limit that was changed: what was before says nothing of what comes.
  const [kind, ...others] = slopes.map(kindOf);
  if (others.some((other) => other !== kind)) return { kind: 'unknown' };
  if (kind !== 'nearer') return { kind: kind! };
  // The slower of the two: a person may rely on it.
  return { kind, seconds: last.lag / Math.min(...slopes.map((slope) => -slope)) };
}

const kindOf = (slope: number) => (slope > slopeMin ? 'further' : slope > -slopeMin ? 'same' : 'nearer');

/** Of the line through all of them, by least squares. */
function slopeOf(known: readonly { readonly at: number; readonly lag: number }[]): number {
  const mean = (of: (each: (typeof known)[number]) => number) =>
    known.reduce((sum, each) => sum + of(each), 0) / known.length;
  const [at, lag] = [mean((each) => each.at), mean((each) => each.lag)];
  const spread = known.reduce((sum, each) => sum + (each.at - at) ** 2, 0);
  return known.reduce((sum, each) => sum + (each.at - at) * (each.lag - lag), 0) / spread;
}
