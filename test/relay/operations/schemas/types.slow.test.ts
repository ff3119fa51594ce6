import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../../relay/config/config.ts';
import { compileWriter, parseAvroSchema } from '../../../../relay/encode/formats/avro/writer.ts';
import { ByteSink } from '../../../../relay/encode/formats/byte-sink.ts';
import { parseLosslessJson } from '../../../../relay/encode/formats/json.ts';
import { readSchemaFiles } from '../../../../relay/operations/schemas/files.ts';
import { type RecordNode, readModel } from '../../../../relay/operations/schemas/model.ts';
import { generateTypes } from '../../../../relay/operations/schemas/types.ts';

const rich = {
  type: 'record',
  name: 'Rich',
  namespace: 'test.a',
  doc: 'Ends */ no comment.',
  fields: [
    { name: 'count', type: 'long', doc: 'Beyond 2^53,\nin old shops.' },
    { name: 'ratio', type: 'double' },
    { name: 'flag', type: 'boolean' },
    { name: 'picture', type: 'bytes' },
    { name: 'total', type: { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 } },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'on', type: { type: 'int', logicalType: 'date' } },
    { name: 'state', type: { type: 'enum', name: 'State', symbols: ['OPEN', 'CLOSED'] } },
    { name: 'tags', type: { type: 'map', values: ['null', 'string'] } },
    { name: 'choices', type: { type: 'array', items: ['int', 'string'] } },
    { name: 'next', type: ['null', 'test.a.Rich'], default: null },
    { name: 'nullable', type: ['null', 'string'] },
    {
      name: 'money',
      type: { type: 'record', name: 'Money', fields: [{ name: 'cents', type: 'int' }] },
      default: { cents: 0 },
    },
  ],
};
/** Another definition of a name that exists, and a name that TypeScript has. */
const other = {
  type: 'record',
  name: 'Record',
  namespace: 'test.b',
  fields: [
    {
      name: 'money',
      type: {
        type: 'record',
        name: 'Money',
        namespace: 'test.a',
        fields: [{ name: 'euros', type: 'int' }],
      },
    },
  ],
};

const typed = (aggregatetype: string, schema: unknown) => ({
  aggregatetype,
  root: readModel(JSON.stringify(schema)) as RecordNode,
});
const files = [typed('thing', rich), typed('other', other)];

const good = {
  count: 1,
  ratio: 0.5,
  flag: true,
  picture: 'AQID',
  total: '12.34',
  at: '2026-01-31T08:00:00Z',
  on: '2026-01-31',
  state: 'OPEN',
  tags: { a: 'x', b: null },
  choices: [1, 'two'],
  nullable: null,
};

/** Each is wrong in one place, for the compiler and for the writer. */
const bad: Readonly<Record<string, object>> = {
  'a long as text': { ...good, count: '1' },
  'a number as text': { ...good, ratio: '0.5' },
  'an unknown symbol': { ...good, state: 'LOST' },
  'a missing field': { ...good, nullable: undefined },
  'an undeclared field': { ...good, more: 1 },
  'null where none is allowed': { ...good, total: null },
  'a wrong item': { ...good, choices: [true] },
  'a wrong value of a map': { ...good, tags: { a: 1 } },
  'a wrong nested field': { ...good, next: { ...good, flag: 'yes' } },
};

const accepts = compileWriter(parseAvroSchema(JSON.stringify(rich)));
const write = (value: object) => accepts(parseLosslessJson(JSON.stringify(value)), new ByteSink());
const run = promisify(execFile);
const tsc = fileURLToPath(new URL('../../../../node_modules/typescript/bin/tsc', import.meta.url));

/** The errors of the compiler, by file. */
async function compile(sources: Readonly<Record<string, string>>): Promise<Map<string, string[]>> {
  const folder = await mkdtemp(join(tmpdir(), 'outbox-relay-types-'));
  try {
    for (const [name, text] of Object.entries(sources)) await writeFile(join(folder, `${name}.ts`), text);
    const options = [
      '--noEmit',
      '--strict',
      '--allowImportingTsExtensions',
      '--exactOptionalPropertyTypes',
      '--target',
      'es2022',
    ];
    const names = Object.keys(sources).map((name) => `${name}.ts`);
    const output = await run(
      process.execPath,
      [tsc, ...options, '--module', 'esnext', '--moduleResolution', 'bundler', ...names],
      { cwd: folder },
    ).then(
      () => '',
      ({ stdout }: { stdout: string }) => stdout,
    );
    const errors = new Map<string, string[]>();
    for (const [, name, message] of output.matchAll(/^([\w-]+)\.ts\(\d+,\d+\): error (.*)$/gm))
      errors.set(name!, [...(errors.get(name!) ?? []), message!]);
    return errors;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const sample = (value: object) =>
  `import type { EventTypes } from './events';\nexport const event: EventTypes['test.a.Rich'] = ${JSON.stringify(value)};\n`;

describe('the types', () => {
  const text = generateTypes(files);

  test('compile, and the compiler takes and refuses what the writer takes and refuses', async () => {
    const row = `import type { OutboxEvent } from './events';
export const row: OutboxEvent =
  { aggregatetype: 'other', aggregateid: '1', type: 'test.b.Record', payload: { money: { euros: 1 } } };\n`;
    const sources: Record<string, string> = { events: text, good: sample(good), row };
    const wrong = Object.entries(bad);
    for (const [index, [, value]] of wrong.entries()) sources[`bad-${index}`] = sample(value);
    sources['bad-row'] = row.replace("'other'", "'thing'");
    const errors = await compile(sources);
    expect([errors.get('events'), errors.get('good'), errors.get('row')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    for (const [index, [what]] of wrong.entries()) expect(errors.get(`bad-${index}`), what).toBeDefined();
    expect(errors.get('bad-row')).toBeDefined();

    expect(() => write(good)).not.toThrow();
    for (const [what, value] of wrong) expect(() => write(value), what).toThrow(/^Expected/);
  });

  test('make the example of the guide compile', async () => {
    const guide = await readFile(new URL('../../../../docs/guides/schemas.md', import.meta.url), 'utf8');
    const example = /```ts\n(import type \{ OutboxEvent \}.*?)```/s.exec(guide)![1]!;
    const { config } = loadConfig({ env: {}, needs: [] });
    const shop = (await readSchemaFiles(config)).map(({ file, schemaText }) => ({
      aggregatetype: file.split('/')[0]!,
      root: readModel(schemaText) as RecordNode,
    }));
    const sources = {
      events: generateTypes(shop),
      example: `${example}declare const orderId: string;\nexport { cancelled };\n`,
    };
    expect(await compile(sources)).toEqual(new Map());
    const wrong = { ...sources, example: sources.example.replace("'CUSTOMER'", "'NOBODY'") };
    expect((await compile(wrong)).get('example')).toHaveLength(1);
  });

  test('are the same whatever the order of the files', () => {
    expect(generateTypes(files.toReversed())).toBe(text);
  });

  test('name bytes by the form that the payloads have', () => {
    expect(text).toContain('/** Avro bytes: base64, padded. */\nexport type Base64 = string;');
    const hex = generateTypes(files, 'hex');
    expect(hex).toContain('export type Hex = string;');
    expect(hex).not.toContain('Base64');
    expect(hex.replaceAll('Hex', 'Base64').split('\n').length).toBe(text.split('\n').length);
  });

  test('name each definition once, and two of one name apart', () => {
    expect(generateTypes([...files, typed('again', rich)]).match(/^export interface Rich /gm)).toHaveLength(
      1,
    );
    expect(text).toContain('export interface TestAMoney {');
    expect(text).toContain('export interface TestAMoney2 {');
    expect(text).toContain('export interface TestBRecord {');
  });

  test('let a field be left out only where it has a default', () => {
    expect(text).toContain('  next?: null | Rich;');
    expect(text).toContain('  nullable: null | string;');
  });

  test('carry the documentation, which cannot end a comment', () => {
    expect(text).toContain('/** Ends * / no comment. */');
    expect(text).toContain('  /**\n   * Beyond 2^53,\n   * in old shops.\n   */\n  count: Long;');
  });
});
