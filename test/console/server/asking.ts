/** The console's application without a socket, and visitors who ask it. */
import { pino } from 'pino';
import { type Visitor, visitorOf } from '../../../console/server/access/visitor.ts';
import { createAccess } from '../../../console/server/api/session.ts';
import { createApp } from '../../../console/server/app.ts';
import { Jobs } from '../../../console/server/jobs.ts';
import type { Sampler } from '../../../console/server/live/sampler.ts';
import type { StatusWatch } from '../../../console/server/live/status-watch.ts';
import { loadConfig } from '../../../relay/config/config.ts';

const payloads = { viewPayloads: 'masked', operatePayloads: 'full' } as const;
export const ada = visitorOf('Ada', 'operate', 'token', payloads);
export const bob = visitorOf('Bob', 'operate', 'token', payloads);
export const blind = visitorOf('Blind', 'operate', 'token', { ...payloads, operatePayloads: 'masked' });
export const viewer = visitorOf('Viv', 'view', 'token', payloads);

// biome-ignore lint/suspicious/noExplicitAny: what a page gets
export type Answer = { readonly status: number; readonly body: any };

export type Asking = {
  readonly method?: string;
  /** Sent as JSON, with POST. */
  readonly body?: object;
};

/** An application for what asks no relay. @returns its configuration, and how a visitor asks it */
export function startAsking(env: Readonly<Record<string, string>>) {
  const { config, provenance } = loadConfig({ env });
  const log = pino({ level: 'silent' });
  const access = createAccess(config, { view: undefined, operate: undefined }, log);
  const status = undefined as unknown as StatusWatch;
  const sampler = undefined as unknown as Sampler;
  const app = createApp({ config, provenance, log, status, sampler, jobs: new Jobs() }, access, {
    page: '',
    files: new Map(),
  });
  const ask = async (visitor: Visitor, path: string, { method, body }: Asking = {}): Promise<Answer> => {
    const cookie = `outbox_console_${config.slot.name}_${config.console.port}=${access.sessions.begin(visitor)}`;
    const headers = { cookie, host: 'localhost', 'content-type': 'application/json' };
    const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const incoming = { socket: { remoteAddress: '127.0.0.1', remotePort: 1, remoteFamily: 'IPv4' } };
    const outgoing = { once() {}, destroy() {} };
    const init = { headers, ...(method === undefined ? {} : { method }), ...sent };
    const answer = await app.request(`/api${path}`, init, { incoming, outgoing });
    const text = await answer.text();
    return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  };
  return { config, ask };
}
