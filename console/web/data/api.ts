/** The API of the console, typed by the server itself, and how its refusals become errors. */
import { hc } from 'hono/client';
import type { Api, SessionApi } from '../../server/app.ts';
import type { Fault } from '../../server/fault.ts';
import { learnServerClock } from './clock.ts';

const root = new URL('api', document.baseURI).href;

/** Without a body, too: the server refuses what a form of another site could send. */
const headers = { 'content-type': 'application/json' };

export const api = hc<Api>(root, { headers });
export const sessionApi = hc<SessionApi>(`${root}/session`, { headers });

/** What the server answered instead of data. `status` 0: it cannot be reached. */
export class ApiFault extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;

  constructor(status: number, code: string, message: string, hint: string | null) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/** Of a part of an answer that could not be had, or of a job that failed. */
export const faultOf = ({ code, message, hint }: Fault) => new ApiFault(503, code, message, hint);

export const unreachable = () =>
  new ApiFault(0, 'CONSOLE_UNREACHABLE', 'The console does not answer.', 'Check that its process runs.');

type Answer<Data> = { ok: boolean; status: number; headers: Headers; json(): Promise<Data> };

/** @throws ApiFault */
export async function ask<Data>(answering: Promise<Answer<Data>>): Promise<Data> {
  const askedMs = performance.now();
  let answer: Answer<Data>;
  try {
    answer = await answering;
  } catch {
    throw unreachable();
  }
  learnServerClock(answer.headers.get('date'), performance.now() - askedMs);
  if (answer.ok) return answer.json();
  const fault = (await answer.json().catch(() => ({}))) as Partial<ApiFault>;
  throw new ApiFault(
    answer.status,
    fault.code ?? 'UNKNOWN',
    fault.message ?? `The console answers ${answer.status}.`,
    fault.hint ?? null,
  );
}
