/** Tries recent rows of the outbox table with the schema files that are not registered yet. Changes nothing. */
import type { Config } from '../../config/config.ts';
import { readSchemaFiles } from './files.ts';
import { type Recent, readRecentRows } from './recent-rows.ts';
import { Trial, type TypeTrial } from './trial.ts';

export type RowsTried = {
  /** Whether the relay would publish every row that has a file. */
  readonly ok: boolean;
  readonly rows: number;
  readonly types: readonly TypeTrial[];
};

export type TryRows = Recent & {
  readonly config: Config;
  /** Failures kept of each type. */
  readonly failuresMax: number;
  readonly onProgress: (rows: number) => void;
};

/** @throws RelayError CONFIG_INVALID, OUTBOX_TABLE_INVALID, POSTGRES_* */
export async function tryRecentRows({
  config,
  failuresMax,
  onProgress,
  ...recent
}: TryRows): Promise<RowsTried> {
  const trial = new Trial(config, await readSchemaFiles(config), failuresMax);
  let rows = 0;
  await readRecentRows(config, recent, async (some) => {
    await trial.add(some);
    rows += some.length;
    onProgress(rows);
  });
  const types = trial.results();
  return { ok: types.every(({ failed }) => failed === 0), rows, types };
}
