/**
 * Who does something, and why: an input of every operation that changes something. The operation writes both
 * into the audit trail, in the transaction of the change, beside the role that Postgres knows.
 */
export type Actor = {
  /** As the person says; the role of the session is what Postgres vouches for. */
  readonly person: string;
  readonly reason: string | null;
};
