/** The script of action.yml on a repository with schemas, against the real registry. GitHub's API is one of our own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { marker } from '../../../deploy/action/report.ts';
import { inheritedEnv } from '../../../harness/relay-process.ts';
import { registerSchema } from '../../support/registry.ts';
import { servers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';

const script = join(import.meta.dirname, '../../../deploy/action/schema-gate.ts');
const placed = {
  type: 'record',
  name: 'OrderPlaced',
  namespace: 'shop',
  fields: [{ name: 'id', type: 'string' }],
};
const note = { name: 'note', type: ['null', 'string'], default: null };

let folder: string;
let aggregate: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'schema-gate-'));
  aggregate = unique('order').replaceAll('-', '');
  await registerSchema(`outbox.event.${aggregate}-shop.OrderPlaced`, placed);
});
afterEach(() => rm(folder, { recursive: true }));

async function write(schema: object): Promise<void> {
  await mkdir(join(folder, 'schemas', aggregate), { recursive: true });
  await writeFile(join(folder, 'schemas', aggregate, 'OrderPlaced.avsc'), JSON.stringify(schema));
}

async function gate(env: Readonly<Record<string, string>> = {}) {
  const { registryUrl } = await servers();
  const [summary, output] = [join(folder, 'summary'), join(folder, 'output')];
  const child = spawn(process.execPath, [script], {
    env: {
      ...inheritedEnv(),
      SCHEMA_REGISTRY_URL: registryUrl,
      OUTBOX_RELAY_SCHEMAS_DIRECTORY: 'schemas',
      GATE_LEVEL: 'FULL',
      GITHUB_WORKSPACE: folder,
      GITHUB_STEP_SUMMARY: summary,
      GITHUB_OUTPUT: output,
      ...env,
    },
  });
  const [printed, failed] = [text(child.stdout), text(child.stderr)];
  const [code] = await once(child, 'close');
  expect(await failed).toBe('');
  const read = (file: string) => readFile(file, 'utf8').catch(() => '');
  return { code, printed: await printed, summary: await read(summary), output: await read(output) };
}

describe('the schema gate', () => {
  test('is open for a compatible change, and shows it', async () => {
    await write({ ...placed, fields: [...placed.fields, note] });
    const { code, summary, output } = await gate();
    expect(summary).toContain('## Schemas: 1 change, all compatible');
    expect(summary).toContain('+ $.note: ');
    expect({ code, output }).toEqual({ code: 0, output: 'ok=true\nchanged=true\n' });
  });

  test('is closed for a change that breaks consumers, and says why', async () => {
    await write({ ...placed, fields: [...placed.fields, { name: 'total', type: 'long' }] });
    const { code, summary, output } = await gate();
    expect(summary).toContain('## Schemas: 1 schema would break consumers');
    expect(summary).toContain('❌ `$.total`: ');
    expect({ code, output }).toEqual({ code: 1, output: 'ok=false\nchanged=true\n' });
  });

  test('is closed where the types are out of date', async () => {
    await write(placed);
    const { code, summary } = await gate({ GATE_TYPES: 'src/events.ts' });
    expect(summary).toContain('## Schemas: generated types are out of date');
    expect(code).toBe(1);
  });

  test('is closed where the registry does not answer', async () => {
    await write(placed);
    const { code, summary, output } = await gate({ SCHEMA_REGISTRY_URL: 'http://127.0.0.1:1' });
    expect(summary).toContain('## Schemas: not checked');
    expect(summary).toContain('REGISTRY_UNAVAILABLE');
    expect({ code, output }).toEqual({ code: 1, output: 'ok=false\nchanged=false\n' });
  });
});

describe('the comment', () => {
  type Call = { readonly method: string; readonly path: string; readonly body: string };
  let server: Server;
  let calls: Call[];
  let comments: { id: number; body: string }[];
  let isReadOnly: boolean;

  beforeEach(async () => {
    [calls, comments, isReadOnly] = [[], [{ id: 7, body: `> ${marker} quoted by a person` }], false];
    server = createServer(async (request, response) => {
      const call = { method: request.method!, path: request.url!, body: await text(request) };
      calls.push(call);
      const isRefused = isReadOnly && call.method !== 'GET';
      if (call.method === 'POST' && !isRefused) comments.push({ id: 8, body: JSON.parse(call.body).body });
      response.writeHead(isRefused ? 403 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(call.method === 'GET' ? comments : {}));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => void server.close());

  async function gateOf(event: object) {
    const file = join(folder, 'event.json');
    await writeFile(file, JSON.stringify(event));
    return gate({
      GATE_TOKEN: 'the-token',
      GITHUB_EVENT_PATH: file,
      GITHUB_REPOSITORY: 'shop/orders',
      GITHUB_API_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    });
  }

  test('is one, which later pushes change', async () => {
    await write({ ...placed, fields: [...placed.fields, note] });
    await gateOf({ pull_request: { number: 3 } });
    await write(placed);
    await gateOf({ pull_request: { number: 3 } });
    expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /repos/shop/orders/issues/3/comments?per_page=100&page=1',
      'POST /repos/shop/orders/issues/3/comments',
      'GET /repos/shop/orders/issues/3/comments?per_page=100&page=1',
      'PATCH /repos/shop/orders/issues/comments/8',
    ]);
    expect(JSON.parse(calls[1]!.body).body).toMatch(/^<!-- .* -->\n## Schemas: 1 change, all compatible/);
    expect(JSON.parse(calls[3]!.body).body).toContain('## Schemas: no changes');
  });

  test('that may not be written is a warning, and changes no verdict', async () => {
    isReadOnly = true;
    await write(placed);
    const { code, printed } = await gateOf({ pull_request: { number: 3 } });
    expect(printed).toContain('::warning::no comment: GitHub answers 403 to POST');
    expect(printed).not.toContain('the-token');
    expect(code).toBe(0);
  });

  test('is not written outside of a pull request', async () => {
    await write(placed);
    expect((await gateOf({ ref: 'refs/heads/main' })).code).toBe(0);
    expect(calls).toEqual([]);
  });
});
