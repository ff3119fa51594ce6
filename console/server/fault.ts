/** How an error reaches a page: its code, what happened, and what to do. */
import type { RelayError } from '../../relay/errors.ts';

export type Fault = { readonly code: string; readonly message: string; readonly hint: string | null };

export const faultOf = ({ code, message, hint }: RelayError): Fault => ({ code, message, hint });
