/** Checks what a page sends, by a schema, and refuses it with one sentence. */
import { zValidator } from '@hono/zod-validator';
import type { ValidationTargets } from 'hono';
import type { z } from 'zod';
import { RequestInvalid } from '../../../relay/errors.ts';

/** @throws RequestInvalid which the application answers with 400 */
export const valid = <Target extends keyof ValidationTargets, Schema extends z.ZodType>(
  target: Target,
  schema: Schema,
) =>
  zValidator(target, schema, (result) => {
    if (result.success) return;
    const { path, message } = result.error.issues[0]!;
    throw new RequestInvalid(path.length === 0 ? message : `${path.join('.')}: ${message}`);
  });
