/** Why somebody does something: every action needs it, for the audit trail. */
import { z } from 'zod';

export const reason = z.string().trim().min(1, 'say why').max(2_000);
