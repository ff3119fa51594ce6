/** Looks whether a take-over can begin, or continue, without changing anything. */
import type pg from 'pg';
import { latestProgress } from '../../audit/await-progress.ts';
import { assertStreamable, examineOutbox } from '../../capture/outbox-table.ts';
import { readPublication } from '../../capture/publication.ts';
import { readSystem } from '../../capture/server-identity.ts';
import { readSlot, type SlotState } from '../../capture/slot.ts';
import { slotNameMax } from '../../config/slot-name.ts';
import type { Servers } from '../../connect/servers.ts';
import { asRelayError, RelayError, RequestInvalid } from '../../errors.ts';
import { readMarks } from '../../ledger/progress-copy.ts';
import type { Progress } from '../../model/progress.ts';
import { readConnector } from './connector.ts';
import { judgeProperties } from './connector-properties.ts';
import type { TakeOverOptions } from './options.ts';
import type { PlacedHeader } from './placed-headers.ts';

export type Before = {
  /** That each row of the tail must bring itself. */
  readonly ownHeaders: readonly PlacedHeader[];
  readonly connector: SlotState;
  /** Identity of our publication. */
  readonly publication: string;
  readonly isResumed: boolean;
};

/**
 * Step 1 of a take-over.
 * @throws RequestInvalid if a relay has streamed from our slot, or it is not ours; RelayError as `adoptDebezium` does
 */
export async function look(
  { kafka, admin, pool, config }: Servers,
  options: TakeOverOptions,
): Promise<Before> {
  if (options.slot === config.slot.name)
    throw new RequestInvalid(
      `the relay and the connector cannot share slot ${options.slot}: give the relay a slot of its own in the setting \`slot\``,
    );
  const ownHeaders = ownHeadersOf(options);
  options.onStage({ stage: 'connector', done: 0 });
  const system = await readSystem(config);
  const marks = await readMarks(pool, config.slot.name);
  if (marks.isInRecovery)
    throw new RelayError('POSTGRES_UNAVAILABLE', 'the server is a standby that is not promoted yet');
  const publication = await readPublication(pool, config);
  const progress = await latestProgress({ config, kafka, admin }, system.systemIdentifier);
  assertNotBegun(config.slot.name, progress, marks.initialised);
  assertStreamable(await examineOutbox(pool, config), true);
  for (const slot of [config.slot.name, copyNameOf(config.slot.name)])
    await assertOwnSlotFree(pool, slot, progress !== null);
  const connector = await readConnector(pool, options);
  return { connector, publication, ownHeaders, isResumed: progress !== null };
}

/** @throws RequestInvalid if the relay would not write what the connector writes */
function ownHeadersOf({ properties, config, slot, publication }: TakeOverOptions): readonly PlacedHeader[] {
  if (properties === undefined) return [];
  const { faults, ownHeaders } = judgeProperties(properties, config, { slot, publication });
  if (faults.length === 0) return ownHeaders;
  const all = faults.map((fault, index) => `(${index + 1}) ${fault}`).join('. ');
  throw new RequestInvalid(`the relay would not publish as the connector does; nothing was changed: ${all}`);
}

const copySuffix = '_adopt';

/** Of the copy of the connector's slot, from which a take-over reads. */
export const copyNameOf = (slot: string): string =>
  `${slot.slice(0, slotNameMax - copySuffix.length)}${copySuffix}`;

/**
 * An earlier run may have left our slot, or our copy. One that was there before anything began is somebody else's, and
 * stays.
 */
async function assertOwnSlotFree(pool: pg.Pool, slot: string, isResumed: boolean): Promise<void> {
  const own = await readSlot(pool, slot).catch((error: unknown) => {
    if (isResumed && asRelayError(error).code === 'SLOT_INVALIDATED') return undefined;
    throw error;
  });
  if (own?.isActive === true)
    throw new RelayError(
      'SLOT_IN_USE',
      `a process streams from our slot ${slot} (walsender ${own.activePid}): another take-over or a relay runs`,
    );
  if (own !== undefined && !isResumed)
    throw new RequestInvalid(
      `slot ${slot} exists, which a take-over would make and drop: drop it if nobody needs it, or choose another name in the setting \`slot\``,
    );
}

/** @throws RequestInvalid if a relay has streamed from the slot: it would not publish what is before its progress again */
export function assertNotBegun(slot: string, progress: Progress | null, isMarked: boolean): void {
  if (progress?.adopting !== undefined || (progress === null && !isMarked)) return;
  throw new RequestInvalid(
    `nothing to adopt: a relay has streamed from slot ${slot} already, or a take-over has ended. To take over once more, choose another name in the setting \`slot\``,
  );
}
