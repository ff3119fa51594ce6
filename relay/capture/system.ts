/** Owns the question who the server is: which cluster, on which timeline, and how it came there. */
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { postgresError } from '../connect/postgres/errors.ts';
import { createReplicationClient } from '../connect/postgres/replication-client.ts';
import { RelayError } from '../errors.ts';
import { type Lsn, parseLsn } from '../model/position.ts';

/** Who the server is, as IDENTIFY_SYSTEM and TIMELINE_HISTORY tell. */
export type SystemIdentity = {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly history: readonly { readonly timeline: number; readonly switchLsn: Lsn }[];
};

/** Who the server is. @throws RelayError POSTGRES_* */
export async function readSystem(config: Config): Promise<SystemIdentity> {
  const client = createReplicationClient(config);
  try {
    await client.connect();
    return await identifySystem(client);
  } catch (error) {
    throw postgresError(error, 'asking who the server is');
  } finally {
    await client.end().catch(() => {});
  }
}

/** On a replication connection. */
export async function identifySystem(client: pg.Client): Promise<SystemIdentity> {
  const identified = await client.query<{ systemid: string; timeline: number | string }>('IDENTIFY_SYSTEM');
  const row = identified.rows[0];
  if (row === undefined) throw new RelayError('POSTGRES_UNSUITABLE', 'IDENTIFY_SYSTEM gave no answer');
  const timeline = Number(row.timeline);
  return {
    systemIdentifier: row.systemid,
    timeline,
    history: timeline > 1 ? await readHistory(client, timeline) : [],
  };
}

async function readHistory(client: pg.Client, timeline: number): Promise<SystemIdentity['history']> {
  const answer = await client.query<{ content: Buffer | string }>(`TIMELINE_HISTORY ${timeline}`);
  return parseTimelineHistory(answer.rows[0]?.content.toString() ?? '');
}

/** Lines of `timeline <tab> LSN of the switch <tab> reason`; comments and blank lines aside. */
export function parseTimelineHistory(content: string): SystemIdentity['history'] {
  return content.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line);
    return match === null ? [] : [{ timeline: Number(match[1]), switchLsn: parseLsn(match[2]!) }];
  });
}
