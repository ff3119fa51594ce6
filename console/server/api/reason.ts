/** Why somebody does something: every action needs it, for the audit trail. */
import { text } from './text.ts';

export const reason = text(2_000).trim().min(1, 'say why');
