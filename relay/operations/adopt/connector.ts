/**
 * What a connector of Debezium leaves in Postgres, read without changing anything: its slot, and the publication through
 * which it streams. The slot is the one place that has what the connector may not have published: every transaction that
 * is committed after the position that the slot has confirmed, rows that the application deletes at once included.
 */
import type pg from 'pg';
import { Capture } from '../../capture/capture.ts';
import { readSlot, type SlotState } from '../../capture/slot.ts';
import type { Config } from '../../config/config.ts';
import { query, statement } from '../../connect/postgres/statement.ts';
import { asRelayError, RelayError } from '../../errors.ts';
import type { TakeOverOptions } from './options.ts';

/** The configuration with which the slot of the connector is read. */
export function connectorConfig({ config, slot, publication }: TakeOverOptions): Config {
  return { ...config, slot: { ...config.slot, name: slot }, publication };
}

/**
 * The slot of the connector, which must be stopped.
 * @throws RelayError SLOT_MISSING, SLOT_IN_USE, SLOT_WRONG_KIND, SLOT_INVALIDATED, PUBLICATION_MISSING, POSTGRES_*
 */
export async function readConnector(pool: pg.Pool, options: TakeOverOptions): Promise<SlotState> {
  const { slot: name } = options;
  const slot = await readSlot(pool, name).catch((error: unknown) => {
    throw explained(asRelayError(error), name);
  });
  if (slot === undefined)
    throw new RelayError(
      'SLOT_MISSING',
      `slot ${name} does not exist${await others(pool)}: give the connector's slot.name with --connector-slot`,
      { hint: withoutSlot },
    );
  if (slot.isActive) throw new RelayError('SLOT_IN_USE', await stillRunning(pool, name, slot.activePid));
  await assertPublication(pool, options);
  return slot;
}

/** @throws RelayError SLOT_IN_USE if the connector has started since */
export async function holdConnector(pool: pg.Pool, options: TakeOverOptions): Promise<Capture> {
  try {
    return await Capture.open(connectorConfig(options));
  } catch (error) {
    const failure = asRelayError(error);
    if (failure.code !== 'SLOT_IN_USE') throw failure;
    throw new RelayError('SLOT_IN_USE', await stillRunning(pool, options.slot, null), { cause: error });
  }
}

/** The table knows less than the slot did, so a person decides. */
const withoutSlot =
  'Without the slot of the connector nobody can tell what it left unpublished of the rows that are deleted by now, nor in which order rows were committed. The rows that the table still has can be compared with the topics by their ids: `outbox-relay recover --force --dry-run` shows which are in no topic, and with `--unjudged publish` it publishes these and creates the slot of the relay. Keep the connector stopped. Read "If the slot is gone" in docs/guides/coming-from-debezium.md first.';

const withoutReader =
  'The plugin of a slot cannot be changed. Let the connector publish everything, then start the relay with a slot of its own. Read "A slot of decoderbufs" in docs/guides/coming-from-debezium.md.';

function explained(failure: RelayError, slot: string): RelayError {
  const why = {
    SLOT_WRONG_KIND: {
      message: `${failure.message}: only the plugin pgoutput can be read (plugin.name of the connector), in the database of the connector`,
      hint: withoutReader,
    },
    SLOT_INVALIDATED: {
      message: `${failure.message}: Postgres no longer has what the connector left unpublished. Nothing after what it published can be read from slot ${slot}`,
      hint: withoutSlot,
    },
  }[failure.code as string];
  if (why === undefined) return failure;
  return new RelayError(failure.code, why.message, { cause: failure, hint: why.hint });
}

/** Who has the slot, as far as the role may see it. */
async function stillRunning(pool: pg.Pool, slot: string, pid: number | null): Promise<string> {
  const [session] = await query(pool, readSession, [pid]);
  const name = session?.name == null || session.name === '' ? '' : `, ${session.name}`;
  const address = session?.address == null ? '' : ` from ${session.address}`;
  return `a process streams from slot ${slot} (walsender ${pid ?? 'not known'}${name}${address}): stop the connector first, with PUT /connectors/<name>/stop at Kafka Connect`;
}

const readSession = statement<{ name: string | null; address: string | null }>(
  'adopt.read_session',
  'asking who has the slot of the connector',
  'select application_name as name, client_addr::text as address from pg_stat_activity where pid = $1',
);

async function others(pool: pg.Pool): Promise<string> {
  const slots = await query(pool, listSlots);
  if (slots.length === 0) return ', and no other logical slot of this database does';
  return `, but these do: ${slots.map(({ name }) => name).join(', ')}`;
}

const listSlots = statement<{ name: string }>(
  'adopt.list_slots',
  'listing the slots',
  `select slot_name::text as name from pg_replication_slots
    where slot_type = 'logical' and database = current_database() order by 1 limit 10`,
);

/** Rows of a table that the publication does not have under its own name would seem not to exist. */
async function assertPublication(pool: pg.Pool, { config, publication }: TakeOverOptions): Promise<void> {
  const [found] = await query(pool, readPublished, [publication, config.outbox.table]);
  const refuse = (why: string) =>
    new RelayError('PUBLICATION_MISSING', `publication ${publication} of the connector ${why}`);
  if (found === undefined)
    throw refuse("does not exist: give the connector's publication.name with --connector-publication");
  if (!found.inserts) throw refuse('does not publish inserts');
  if (!found.covers)
    throw refuse(
      `does not cover ${config.outbox.table} as a whole: correct outbox.table, or give the connector's publication.name with --connector-publication. A partitioned table must be published under its own name (publish_via_partition_root), and no row filter may leave out rows`,
    );
}

const readPublished = statement<{ inserts: boolean; covers: boolean }>(
  'adopt.read_publication',
  'reading the publication of the connector',
  `select pubinsert as inserts,
          exists (select from pg_publication_tables t where t.pubname = p.pubname
                     and schemaname || '.' || tablename = $2 and to_jsonb(t) ->> 'rowfilter' is null) as covers
     from pg_publication p where pubname = $1`,
);
