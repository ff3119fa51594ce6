/**
 * What goes on while somebody looks at the console: orders, and a deployment that forgets a field. For a while every other
 * order lacks its currency; then the deployment is rolled back, and its events wait as dead letters to be repaired.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Random } from '../harness/random.ts';
import { goodPayload, type Payload, withoutCurrency } from './payloads.ts';

export type IncidentOptions = {
  readonly databaseUrl: string;
  readonly seed: number;
  readonly note: (line: string) => void;
};

/** Each transaction has a few events of one key. */
const [transactionsPerSecond, eventsMax, keyCount] = [10, 4, 60];
const startsAfterMs = 10_000;
const brokenCount = 500;

/** How all of them become what they should have been. */
export const repair = '[{"op": "add", "path": "/currency", "value": "EUR"}]';

/** Writes until aborted. @throws whatever Postgres answers */
export async function playIncident(options: IncidentOptions, signal: AbortSignal): Promise<void> {
  const { databaseUrl, seed, note } = options;
  const random = new Random(seed);
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1, application_name: 'demo order service' });
  pool.on('error', () => {}); // of the idle connection; its next use reports it
  const keys = Array.from({ length: keyCount }, () => random.uuid());
  const startMs = performance.now();
  let broken = 0;
  let phase: 'before' | 'broken' | 'after' = 'before';
  try {
    while (!signal.aborted) {
      if (phase === 'before' && performance.now() - startMs > startsAfterMs) {
        phase = 'broken';
        note('deployed a version of the order service that forgets the currency of orders');
      }
      const payloads = Array.from({ length: random.integer(1, eventsMax) }, () => {
        if (phase !== 'broken' || !random.chance(0.5)) return goodPayload(random);
        broken += 1;
        return withoutCurrency(random);
      });
      await write(pool, random.pick(keys), payloads);
      if (phase === 'broken' && broken >= brokenCount) {
        phase = 'after';
        note(
          `rolled that version back: ${broken} events wait as dead letters. Repair them with the patch ${repair}`,
        );
      }
      const pauseMs = phase === 'broken' ? 50 : 1_000 / transactionsPerSecond;
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
  } finally {
    await pool.end();
  }
}

async function write(pool: pg.Pool, key: string, payloads: readonly Payload[]): Promise<void> {
  await pool.query(
    `insert into outbox.event (aggregatetype, aggregateid, type, payload, headers)
     select aggregatetype, $1, type, payload::json, headers::json
       from unnest($2::text[], $3::text[], $4::text[], $5::text[]) with ordinality
            as given (aggregatetype, type, payload, headers, n)
      order by n`,
    [
      key,
      payloads.map(({ aggregatetype }) => aggregatetype),
      payloads.map(({ type }) => type),
      payloads.map(({ json }) => json),
      payloads.map(({ headers }) => JSON.stringify(headers)),
    ],
  );
}
