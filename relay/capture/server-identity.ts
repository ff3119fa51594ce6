/** Owns the identity of the server: its cluster, its timeline, and the history of that timeline. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { postgresError } from '../connect/postgres/errors.ts';
import { command, createReplicationClient } from '../connect/postgres/replication-client.ts';
import { type Client, query, statement } from '../connect/postgres/statement.ts';
import { RelayError } from '../errors.ts';
import { type Lsn, parseLsn } from '../model/position.ts';

/** As IDENTIFY_SYSTEM and TIMELINE_HISTORY return it. */
export type SystemIdentity = {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly history: readonly { readonly timeline: number; readonly switchLsn: Lsn }[];
};

/** On a connection of its own. @throws RelayError POSTGRES_* */
export async function readSystem(config: Config): Promise<SystemIdentity> {
  const client = createReplicationClient(config);
  try {
    await client.connect();
    return await identifySystem(client);
  } catch (error) {
    throw postgresError(error, 'reading the identity of the server');
  } finally {
    await client.end().catch(() => {});
  }
}

/** The cluster alone, on any connection: it takes no right to replicate. @throws RelayError POSTGRES_* */
export async function readSystemIdentifier(client: Client): Promise<string> {
  const [row] = await query(client, systemIdentifier);
  return row!.id;
}

const systemIdentifier = statement<{ id: string }>(
  'capture.read_system_identifier',
  'reading the identity of the server',
  'select system_identifier::text as id from pg_control_system()',
);

/** On an open replication connection. @throws the driver's error */
export async function identifySystem(client: pg.Client): Promise<SystemIdentity> {
  const [row] = await command<{ systemid: string; timeline: number | string }>(client, 'IDENTIFY_SYSTEM');
  if (row === undefined) throw new RelayError('POSTGRES_UNSUITABLE', 'IDENTIFY_SYSTEM gave no answer');
  const timeline = Number(row.timeline);
  return {
    systemIdentifier: row.systemid,
    timeline,
    history: timeline > 1 ? await readHistory(client, timeline) : [],
  };
}

async function readHistory(client: pg.Client, timeline: number): Promise<SystemIdentity['history']> {
  const [file] = await command<{ content: Buffer | string }>(client, `TIMELINE_HISTORY ${timeline}`);
  return parseTimelineHistory(file?.content.toString() ?? '');
}

/** Lines of `timeline <tab> LSN of the switch <tab> reason`; skips comments and blank lines. */
export function parseTimelineHistory(content: string): SystemIdentity['history'] {
  return content.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line);
    return match === null ? [] : [{ timeline: Number(match[1]), switchLsn: parseLsn(match[2]!) }];
  });
}
