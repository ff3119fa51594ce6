/** The console's server, met by visitors who mean no good. Its Postgres is away, which none of them should notice. */
import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rightOf } from '../../../console/server/access/rights.ts';
import { createAccess } from '../../../console/server/api/session.ts';
import { createApp } from '../../../console/server/app.ts';
import type { Assets } from '../../../console/server/assets.ts';
import { startConsole } from '../../../console/server/serve.ts';
import type { Use } from '../../../console/server/use.ts';
import { type Settings, settingsEnv } from '../../../harness/relay-process.ts';
import { loadConfig } from '../../../relay/config/config.ts';
import { createLogger } from '../../../relay/observe/log.ts';

const plain = new TextEncoder().encode('export {};');
const assets: Assets = {
  page: '<base href="%BASE%"><meta name="csp-nonce" content="%NONCE%">',
  files: new Map([['assets/a.js', { type: 'text/javascript', plain, gzip: plain, brotli: plain }]]),
};
const tokens = { CONSOLE_VIEW_TOKEN: 'sesame-view-sesame', CONSOLE_OPERATE_TOKEN: 'sesame-operate-sesame' };

async function start(settings: Settings) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLogger('trace', { tty: false, destination });
  const { config, provenance } = loadConfig({
    env: {
      DATABASE_URL: 'postgres://relay:sesame@127.0.0.1:1/shop',
      KAFKA_BROKERS: '127.0.0.1:1',
      SCHEMA_REGISTRY_URL: 'http://relay:sesame@127.0.0.1:1',
      ...settingsEnv({ CONSOLE_PORT: 0, CONSOLE_RELAYS: 'http://127.0.0.1:1', ...settings }),
    },
  });
  const running = await startConsole({ config, provenance, log, assets });
  const { origin, port, pathname } = new URL(running.url);
  return { ...running, origin, port: Number(port), pathname, lines, log, config, provenance };
}

type Console = Awaited<ReturnType<typeof start>>;
type Sent = { method?: string; headers?: Record<string, string | string[]>; body?: string };

/** Unlike fetch it sends any header. */
async function ask(port: number, path: string, { method = 'GET', headers = {}, body = '' }: Sent = {}) {
  const asking = request({ host: '127.0.0.1', port, path, method, headers, agent: false });
  asking.end(method === 'GET' || method === 'HEAD' ? '' : body);
  const [answer] = await once(asking, 'response');
  return { status: answer.statusCode as number, headers: answer.headers, body: await text(answer) };
}

const json = { 'content-type': 'application/json' };

async function signIn(port: number, token: string, headers: Record<string, string> = {}) {
  const body = JSON.stringify({ token, person: 'anna' });
  const answer = await ask(port, '/api/session', { method: 'POST', headers: { ...json, ...headers }, body });
  const cookie = answer.headers['set-cookie']?.[0] ?? '';
  return { ...answer, cookie: cookie.split(';')[0]!, attributes: cookie };
}

let server: Console;
let view: string;
let operate: string;
beforeAll(async () => {
  server = await start(tokens);
  view = (await signIn(server.port, tokens.CONSOLE_VIEW_TOKEN)).cookie;
  operate = (await signIn(server.port, tokens.CONSOLE_OPERATE_TOKEN)).cookie;
});
afterAll(async () => {
  await server.close();
  // Whatever the tests below did: no secret, no body.
  expect(server.lines.join('')).not.toMatch(/sesame|{"hidden/);
});

/** Every route of the API, as the application itself lists them, so that a new one is not forgotten. */
function routes(): { method: string; path: string; right: string | undefined }[] {
  const { config, provenance, log } = server;
  const use = { config, provenance, log } as unknown as Use;
  return createApp(use, createAccess(config, { view: undefined, operate: undefined }, log), assets)
    .routes.filter(({ method, path }) => method !== 'ALL' && path.startsWith('/api/'))
    .map((route) => ({
      method: route.method,
      path: route.path.replace(/:\w+/g, '1').replace(/\/$/, ''),
      right: rightOf([route]),
    }));
}

describe('routes', () => {
  test('none but the sign-in answers somebody unknown', async () => {
    const all = routes().filter(({ path }) => path !== '/api/session');
    expect(all.length).toBeGreaterThan(5);
    for (const cookie of ['', 'x=y', `${view}x`, view.replace(/=.*/, '=')])
      for (const { method, path } of all) {
        const answer = await ask(server.port, path, { method, headers: { ...json, cookie }, body: '{}' });
        expect([method, path, answer.status]).toEqual([method, path, 401]);
        expect(JSON.parse(answer.body).code).toBe('NOT_SIGNED_IN');
      }
  });

  test('answer a viewer as the table of rights says', async () => {
    const changing = routes().filter(({ method, path }) => method !== 'GET' && path !== '/api/session');
    expect(new Set(changing.map(({ right }) => right))).toEqual(new Set(['view', 'operate']));
    for (const { method, path, right } of changing) {
      const headers = { ...json, cookie: view };
      const answer = await ask(server.port, path, { method, headers, body: '{}' });
      // An empty body asks nothing that makes sense.
      const expected = right === 'operate' ? [403, 'NOT_ALLOWED'] : [400, 'REQUEST_INVALID'];
      expect([method, path, answer.status, JSON.parse(answer.body).code]).toEqual([
        method,
        path,
        ...expected,
      ]);
    }
  });

  test('none that changes something answers a page of somebody else', async () => {
    const forged: Record<string, string>[] = [
      { ...json, origin: 'https://evil.example' },
      { ...json, 'sec-fetch-site': 'cross-site' },
      { 'content-type': 'application/x-www-form-urlencoded', origin: server.origin },
      { 'content-type': 'text/plain' },
    ];
    for (const { method, path } of routes().filter((route) => route.method !== 'GET'))
      for (const headers of method === 'DELETE' ? forged.slice(0, 2) : forged) {
        const answer = await ask(server.port, path, { method, headers: { ...headers, cookie: operate } });
        expect([method, path, answer.status]).toEqual([method, path, 403]);
        expect(JSON.parse(answer.body).code).toBe('FORGED');
      }
  });

  test('none answers under a name that is not ours', async () => {
    for (const { method, path } of [...routes(), { method: 'GET', path: '/' }]) {
      const headers = { ...json, cookie: operate, host: 'evil.example' };
      const answer = await ask(server.port, path, { method, headers });
      expect([method, path, answer.status]).toEqual([method, path, 421]);
    }
  });

  test.each(['HEAD', 'OPTIONS', 'PUT', 'PATCH', 'TRACE'])(
    '%s changes nothing and shows nothing',
    async (method) => {
      const headers = { ...json, cookie: operate, origin: 'https://evil.example' };
      const answer = await ask(server.port, '/api/live', { method, headers });
      expect([403, 405]).toContain(answer.status);
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    },
  );

  test('a read of another site is refused', async () => {
    const headers = { cookie: operate, 'sec-fetch-site': 'cross-site' };
    expect((await ask(server.port, '/api/me', { headers })).status).toBe(403);
    expect((await ask(server.port, '/api/me', { headers: { cookie: operate } })).status).toBe(200);
  });
});

describe('answers', () => {
  test('have a policy that lets nothing in from elsewhere', async () => {
    const { headers, body } = await ask(server.port, '/anything');
    const [, nonce = ''] = /content="([^"]+)"/.exec(body)!;
    expect(nonce.length).toBeGreaterThan(15);
    expect(headers['content-security-policy']!.toString().split('; ').sort()).toEqual([
      "base-uri 'self'",
      "connect-src 'self'",
      "default-src 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "img-src 'self' data:",
      "require-trusted-types-for 'script'",
      "script-src 'self'",
      `style-src 'self' 'nonce-${nonce}'`,
      "trusted-types 'none'",
    ]);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-cache',
    });
    expect((await ask(server.port, '/anything')).body).not.toContain(nonce);
  });

  test('of the API are kept by nobody, and those that refuse have the policy too', async () => {
    for (const path of ['/api/me', '/api/nothing', '/assets/nothing']) {
      const { headers } = await ask(server.port, path, { headers: { cookie: view } });
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      if (path.startsWith('/api')) expect(headers['cache-control']).toBe('no-store');
    }
  });

  test.each(['/assets/../../package.json', '/assets/..%2f..%2fpackage.json', '/assets/__proto__'])(
    '%s leads nowhere',
    async (path) => {
      const { body } = await ask(server.port, path);
      expect(body).not.toContain('outbox-relay');
    },
  );

  test('a page for HEAD has no body', async () => {
    expect(await ask(server.port, '/', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
    expect(await ask(server.port, '/livez', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });
});

describe('signing in', () => {
  test('gives a cookie that scripts and other sites never have', async () => {
    const { attributes, status } = await signIn(server.port, tokens.CONSOLE_VIEW_TOKEN);
    expect(status).toBe(200);
    expect(attributes).toMatch(/; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
  });

  test.each([
    ['a proxy', { 'x-forwarded-proto': 'https' }],
    ['the browser', { origin: 'https://localhost', host: 'localhost' }],
  ])('where %s says that TLS is used, the cookie is for TLS only', async (_, headers) => {
    expect((await signIn(server.port, tokens.CONSOLE_VIEW_TOKEN, headers)).attributes).toContain('; Secure;');
  });

  test('out ends the session and its streams', async () => {
    const { cookie } = await signIn(server.port, tokens.CONSOLE_VIEW_TOKEN);
    const streaming = request({ port: server.port, path: '/api/live', headers: { cookie } });
    streaming.on('error', () => {});
    streaming.end();
    const [stream] = await once(streaming, 'response');
    stream.on('error', () => {});
    await once(stream, 'data');
    const ended = new Promise((resolve) => stream.once('close', resolve));
    await ask(server.port, '/api/session', { method: 'DELETE', headers: { cookie } });
    await ended;
    expect((await ask(server.port, '/api/me', { headers: { cookie } })).status).toBe(401);
  });

  test('again ends the session of before', async () => {
    const first = await signIn(server.port, tokens.CONSOLE_VIEW_TOKEN);
    await signIn(server.port, tokens.CONSOLE_OPERATE_TOKEN, { cookie: first.cookie });
    expect((await ask(server.port, '/api/me', { headers: { cookie: first.cookie } })).status).toBe(401);
  });

  test('with wrong tokens is held up, and with a bad name refused', async () => {
    const guess = { 'x-forwarded-for': '203.0.113.9' };
    for (let count = 0; count < 10; count++)
      expect((await signIn(server.port, 'sesame-wrong-sesame', guess)).status).toBe(401);
    expect((await signIn(server.port, tokens.CONSOLE_VIEW_TOKEN, guess)).status).toBe(429);
    expect((await signIn(server.port, tokens.CONSOLE_VIEW_TOKEN)).status).toBe(200);
    const body = JSON.stringify({ token: tokens.CONSOLE_VIEW_TOKEN, person: 'a\nb' });
    const answer = await ask(server.port, '/api/session', { method: 'POST', headers: json, body });
    expect(answer.status).toBe(400);
  });

  test('streams of one session are bounded', async () => {
    const { cookie } = await signIn(server.port, tokens.CONSOLE_VIEW_TOKEN);
    const headers = { cookie, accept: 'text/event-stream' };
    const open = async () => {
      const asking = request({ port: server.port, path: '/api/live', headers, agent: false });
      asking.on('error', () => {});
      asking.end();
      const [answer] = await once(asking, 'response');
      answer.on('error', () => {});
      return { asking, status: answer.statusCode as number };
    };
    const streams = [];
    for (let count = 0; count < 17; count++) streams.push(await open());
    expect(streams.map(({ status }) => status)).toEqual([...Array(16).fill(200), 429]);
    for (const { asking } of streams) asking.destroy();
  });
});

describe('bodies', () => {
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    ask(server.port, path, { method: 'POST', headers: { ...json, cookie: operate, ...headers }, body });

  test.each(['{"hidden', '', '[', 'null', '"hidden"'])('%j is refused and quoted nowhere', async (body) => {
    const answer = await post('/api/control/resume', body);
    expect(answer.status).toBe(400);
    expect(answer.body).not.toContain('hidden');
  });

  test('that are too large are refused, with their length and without', async () => {
    const large = `{"reason":"${'x'.repeat(8 * 1024 * 1024)}"}`;
    // Refused before it comes.
    expect((await post('/api/control/resume', '', { 'content-length': '9000000' })).status).toBe(413);
    const chunked = { 'transfer-encoding': 'chunked' };
    expect((await post('/api/control/resume', large, chunked)).status).toBe(413);
    const signingIn = `{"token":"${'x'.repeat(17 * 1024)}"}`;
    expect((await post('/api/session', signingIn, chunked)).status).toBe(413);
  });

  test('a server that is away is said, with its code', async () => {
    const answer = await post('/api/control/resume', '{"topic":null,"reason":"try"}');
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
  });
});

describe('behind a proxy', () => {
  test('its header names the person, and says who may act', async () => {
    await using stack = await closing({ CONSOLE_USER_HEADER: 'X-User', CONSOLE_OPERATORS: 'anna' });
    const me = async (headers: Record<string, string | string[]>) => {
      const { status, body } = await ask(stack.port, '/api/me', { headers });
      const { person, role, via } = JSON.parse(body);
      return { status, person, role, via };
    };
    expect(await me({ 'x-user': 'anna' })).toEqual({
      status: 200,
      person: 'anna',
      role: 'operate',
      via: 'proxy',
    });
    expect(await me({ 'x-user': 'bert' })).toMatchObject({ person: 'bert', role: 'view' });
    expect(await me({ 'x-user': ['bert', 'anna'] })).toMatchObject({ status: 401 });
    expect(await me({})).toMatchObject({ status: 401 });
  });

  test('the header of any other peer is nobody', async () => {
    await using stack = await closing({ CONSOLE_USER_HEADER: 'X-User', CONSOLE_TRUSTED_PROXIES: '10.0.0.1' });
    expect((await ask(stack.port, '/api/me', { headers: { 'x-user': 'anna' } })).status).toBe(401);
  });

  test('that leaves the prefix or strips it, everything is found', async () => {
    await using stack = await closing({ ...tokens, CONSOLE_PATH_PREFIX: '/outbox/' });
    expect(stack.pathname).toBe('/outbox/');
    for (const prefix of ['/outbox', '']) {
      expect((await ask(stack.port, `${prefix}/settings?a=b`)).body).toContain('<base href="/outbox/">');
      expect((await ask(stack.port, `${prefix}/assets/a.js`)).body).toBe('export {};');
      expect((await ask(stack.port, `${prefix}/livez`)).status).toBe(200);
      expect((await ask(stack.port, `${prefix}/api/me`)).status).toBe(401);
    }
    expect((await ask(stack.port, '/outbox')).status).toBe(200);
    const { attributes, cookie } = await signIn(stack.port, tokens.CONSOLE_VIEW_TOKEN);
    expect(attributes).toContain('Path=/outbox/;');
    expect((await ask(stack.port, '/outbox/api/me', { headers: { cookie } })).status).toBe(200);
  });
});

describe('at its start', () => {
  test('it makes a token up only where nobody could sign in otherwise', async () => {
    await using open = await closing({});
    expect(open.madeUpToken).toMatch(/^[\w-]{32}$/);
    expect((await signIn(open.port, open.madeUpToken!)).status).toBe(200);
    await using closed = await closing({ CONSOLE_USER_HEADER: 'X-User' });
    expect(closed.madeUpToken).toBeUndefined();
  });

  test('it warns where other machines reach it without TLS', async () => {
    const warning = 'the console serves other machines without TLS';
    await using wide = await closing({ ...tokens, CONSOLE_HOST: '0.0.0.0' });
    expect(wide.lines.join('')).toContain(warning);
    expect(server.lines.join('')).not.toContain(warning);
  });
});

async function closing(settings: Settings): Promise<Console & AsyncDisposable> {
  const running = await start(settings);
  return { ...running, [Symbol.asyncDispose]: () => running.close() };
}
