/** What a statement is to the model. */
import type { Database, Transaction } from './database.ts';

export type Row = Record<string, unknown>;

export type Statement = {
  /** The lock that it takes first, and holds until the end of the transaction. */
  readonly lock?: readonly ['progress' | 'heartbeat', 'share' | 'exclusive'];
  readonly run: (database: Database, values: readonly unknown[], transaction: Transaction) => Row[];
};
