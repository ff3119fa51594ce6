/** What is known of a transaction that hangs: for metrics, log and `status`. */

/** Whose it is: a relay wrote it, somebody else did, or the relay that looks may not see who. */
export type TransactionOwner = 'relay' | 'other' | 'unknown';

/** A transaction that is open in a partition for longer than any may be. */
export type HangingTransaction = {
  readonly topic: string;
  readonly partition: number;
  /** Of its first record. */
  readonly offset: string;
  /** Since a relay first saw it: at least so long. */
  readonly standingMs: number;
  readonly owner: TransactionOwner;
  /** null where it may not be seen. */
  readonly producerId: string | null;
};

/** What people have to know of it before they act. */
export const ownerAdvice: Readonly<Record<TransactionOwner, string>> = {
  relay: 'A relay wrote it: do not abort it, its events would be lost',
  other: 'Another producer wrote it: find its owner before you abort it',
  unknown:
    'Whose it is could not be seen: do not abort it before you know that no relay wrote it. Grant Read on the topic to the relay’s principal to see it',
};
