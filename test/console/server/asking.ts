/** The console's application without a socket, and visitors who ask it. */
import { pino } from 'pino';
import { routeNames } from '../../../console/server/access/rights.ts';
import { type Visitor, visitorOf } from '../../../console/server/access/visitor.ts';
import { createAccess } from '../../../console/server/api/session.ts';
import { createApp } from '../../../console/server/app.ts';
import { Jobs } from '../../../console/server/jobs.ts';
import type { Use } from '../../../console/server/use.ts';
import { type Config, loadConfig } from '../../../relay/config/config.ts';

const payloads = { viewPayloads: 'masked', operatePayloads: 'full' } as const;
export const ada = visitorOf('Ada', 'operate', 'token', payloads);
export const bob = visitorOf('Bob', 'operate', 'token', payloads);
export const blind = visitorOf('Blind', 'operate', 'token', { ...payloads, operatePayloads: 'masked' });
export const viewer = visitorOf('Viv', 'view', 'token', payloads);
export const unseeing = visitorOf('Una', 'view', 'token', { ...payloads, viewPayloads: 'off' });

// biome-ignore lint/suspicious/noExplicitAny: what a page gets
export type Answer = { readonly status: number; readonly body: any };

export type Asking = {
  readonly method?: string;
  /** Sent as JSON, with POST. */
  readonly body?: object;
  /** Of a stream: what has come when it is left. */
  readonly until?: RegExp;
};

type Live = Pick<Use, 'status' | 'sampler'>;

/**
 * An application for what asks no relay, unless it is given what does.
 * @returns its configuration, its routes, and how a visitor asks it
 */
export function startAsking(
  env: Readonly<Record<string, string>>,
  liveOf: (config: Config) => Live = () => ({}) as unknown as Live,
) {
  const { config, provenance } = loadConfig({ env });
  const log = pino({ level: 'silent' });
  const access = createAccess(config, { view: undefined, operate: undefined }, log);
  const use = { config, provenance, log, jobs: new Jobs(), ...liveOf(config) };
  const app = createApp(use, access, { page: '', files: new Map() });
  const ask = async (visitor: Visitor, path: string, asking: Asking = {}): Promise<Answer> => {
    const { method, body, until } = asking;
    const cookie = `outbox_console_${config.slot.name}_${config.console.port}=${access.sessions.begin(visitor)}`;
    const headers = { cookie, host: 'localhost', 'content-type': 'application/json' };
    const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const incoming = {
      socket: { remoteAddress: '127.0.0.1', remotePort: 1, remoteFamily: 'IPv4' },
      headersDistinct: {},
    };
    const outgoing = { once() {}, destroy() {} };
    const init = { headers, ...sent, ...(method === undefined ? {} : { method }) };
    const answer = await app.request(`/api${path}`, init, { incoming, outgoing });
    const text = until === undefined ? await answer.text() : await textUntil(answer, until);
    const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true;
    return { status: answer.status, body: isJson ? JSON.parse(text) : text };
  };
  /** `GET /dead-letters/:position`, and so on; each once. */
  const routes = routeNames(app.routes);
  return { config, ask, routes };
}

async function textUntil({ body }: Response, until: RegExp): Promise<string> {
  let text = '';
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (until.test(text)) break;
  }
  return text;
}
