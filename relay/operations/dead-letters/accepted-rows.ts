/**
 * Writes as many events as the outbox table accepts, and says of each other one why not. Promise: what is not accepted
 * leaves nothing behind, and the order of the others is that of their positions.
 */
import type pg from 'pg';
import { query, statement } from '../../connect/postgres/statement.ts';
import { RelayError } from '../../errors.ts';
import { positionText } from './letter.ts';
import { rowRefusalOf } from './transaction.ts';

/** Commit LSNs and ordinals, in their order. */
export type Keys = readonly [lsns: readonly string[], ordinals: readonly string[]];

export type NotAccepted = { readonly position: string; readonly why: string };

/** Beyond it the table is the cause rather than the events, and looking for each would take minutes. */
export const notAcceptedMax = 1_000;

/**
 * Each failure costs some 20 attempts with ever fewer events, so a table that accepts all costs nothing but the savepoint.
 * @param write all of them, or nothing and an error; @returns how many it wrote, for somebody else may have some
 * @throws RelayError as `write` does where the error is not about a row, or once too many are not accepted
 */
export async function writeAccepted(
  client: pg.Client,
  keys: Keys,
  write: (keys: Keys) => Promise<number>,
  notAccepted: NotAccepted[],
): Promise<number> {
  if (keys[0].length === 0) return 0;
  await query(client, openSavepoint);
  try {
    const written = await write(keys);
    await query(client, releaseSavepoint);
    return written;
  } catch (error) {
    const why = rowRefusalOf(error);
    if (why === undefined) throw error;
    await query(client, rollBackToSavepoint);
    if (keys[0].length === 1) {
      if (notAccepted.length === notAcceptedMax)
        throw new RelayError(
          'OUTBOX_TABLE_INVALID',
          `the outbox table does not accept more than ${notAcceptedMax} of the events; of the last one: ${why}; nothing was changed`,
          { cause: error },
        );
      notAccepted.push({ position: positionText(keys[0][0]!, keys[1][0]!), why });
      return 0;
    }
    const half = keys[0].length >> 1;
    const first: Keys = [keys[0].slice(0, half), keys[1].slice(0, half)];
    const second: Keys = [keys[0].slice(half), keys[1].slice(half)];
    const written = await writeAccepted(client, first, write, notAccepted);
    return written + (await writeAccepted(client, second, write, notAccepted));
  }
}

const ofSavepoint = (name: string, sql: string) => statement(name, 'writing the events apart', sql);
const openSavepoint = ofSavepoint('operations.open_savepoint', 'savepoint accepted');
const releaseSavepoint = ofSavepoint('operations.release_savepoint', 'release savepoint accepted');
const rollBackToSavepoint = ofSavepoint(
  'operations.roll_back_to_savepoint',
  'rollback to savepoint accepted; release savepoint accepted',
);
