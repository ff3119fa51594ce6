import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../../relay/config/config.ts';
import { SubjectHistory } from '../../../../relay/operations/schemas/subject-history.ts';
import { registerSchema } from '../../../support/registry.ts';
import { servers } from '../../../support/servers.ts';
import { unique } from '../../../support/unique.ts';

const historyAt = (url: string, env: Record<string, string> = {}) =>
  new SubjectHistory(loadConfig({ env: { SCHEMA_REGISTRY_URL: url, ...env }, needs: [] }).config.registry);
const record = (...fields: object[]) => ({ type: 'record', name: 'R', fields });

test('a real registry gives versions in their order, their texts, a level and a verdict', async () => {
  const { registryUrl } = await servers();
  const history = historyAt(registryUrl);
  const subject = unique('history');
  expect(await history.versions(subject)).toEqual([]);
  const note = { name: 'note', type: 'string', default: '' };
  await registerSchema(subject, record());
  await registerSchema(subject, record(note));
  expect(await history.versions(subject)).toEqual([1, 2]);
  expect(await history.version(subject, 2)).toMatchObject({ version: 2, references: [] });
  expect(JSON.parse((await history.version(subject, 1)).schemaText)).toEqual(record());
  await fetch(`${registryUrl}/config/${subject}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: '{"compatibility":"BACKWARD_TRANSITIVE"}',
  });
  expect(await history.level(subject)).toEqual({ level: 'BACKWARD_TRANSITIVE', isOwn: true });
  const breaking = JSON.stringify(record({ name: 'count', type: 'int' }));
  expect(await history.judge(subject, breaking, [1, 2])).toMatchObject({ isCompatible: false });
  expect(await history.judge(subject, JSON.stringify(record(note)), [1, 2])).toMatchObject({
    isCompatible: true,
  });
});

describe('what is no answer of a registry', () => {
  let stop: (() => void) | undefined;
  afterEach(() => stop?.());

  async function listen(listener: RequestListener): Promise<number> {
    const server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    stop = () => {
      server.close();
      server.closeAllConnections();
    };
    return (server.address() as AddressInfo).port;
  }

  const all = (history: SubjectHistory) => [
    () => history.versions('a'),
    () => history.version('a', 1),
    () => history.level('a'),
    () => history.judge('a', '"string"', [1]),
  ];

  test.each([
    ['a 404 of a proxy', 404, '<html>Not Found</html>'],
    ['an error', 500, '{"error_code":50001,"message":"boom"}'],
    ['a page with status 200', 200, '<html>please log in</html>'],
    ['a redirect', 302, ''],
    ['another object', 200, '{"ok":true}'],
  ])('%s is an outage, never "there is none"', async (_, status, body) => {
    const history = historyAt(
      `http://127.0.0.1:${await listen((_request, response) => response.writeHead(status).end(body))}`,
    );
    for (const ask of all(history))
      await expect(ask()).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  });

  test('silence ends at the deadline, a refused connection at once', async () => {
    const port = await listen(() => {});
    const history = historyAt(`http://127.0.0.1:${port}`, { OUTBOX_RELAY_REGISTRY_TIMEOUT_MS: '100' });
    await expect(history.versions('a')).rejects.toThrow('no answer within 100 ms');
    stop?.();
    await expect(history.versions('a')).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('a password goes to the registry and into no error; 401 says that it is wrong', async () => {
    const seen: (string | undefined)[] = [];
    const port = await listen((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(401).end();
    });
    const inUrl = historyAt(`http://me:s%40same@127.0.0.1:${port}`);
    const inSettings = historyAt(`http://127.0.0.1:${port}`, {
      OUTBOX_RELAY_REGISTRY_USERNAME: 'me',
      OUTBOX_RELAY_REGISTRY_PASSWORD: 's@same',
    });
    for (const history of [inUrl, inSettings]) {
      const error = await history.versions('a').catch((cause: unknown) => cause);
      expect(error).toMatchObject({ code: 'REGISTRY_UNAUTHORIZED' });
      expect(String(error)).not.toMatch(/same/);
    }
    const expected = `Basic ${Buffer.from('me:s@same').toString('base64')}`;
    expect(seen).toEqual([expected, expected]);
  });
});
