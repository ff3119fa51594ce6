/** Text that a page sends and that Postgres has to hold, for whatever input: it arrives there as it was sent, or not at all. */
import { z } from 'zod';

/** @param max characters */
export const text = (max: number) =>
  z
    .string()
    .max(max)
    // Neither has a place in UTF-8 as Postgres holds it: the one would be refused, the other be replaced.
    .refine((value) => !value.includes('\0'), 'must not hold a NUL')
    .refine((value) => value.isWellFormed(), 'holds half a character');
