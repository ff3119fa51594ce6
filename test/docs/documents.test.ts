import { existsSync, globSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { generate, guides, pages, tables } from '../../docs/generate.ts';
import { createProgram } from '../../relay/commands/program.ts';
import { loadConfig, settings } from '../../relay/config/config.ts';
import { errorTable, RelayError } from '../../relay/errors.ts';
import { counted } from '../../relay/model/counted.ts';
import { parsePosition } from '../../relay/model/position.ts';
import { failpoints } from '../../relay/observe/failpoints.ts';
import { Health } from '../../relay/observe/health.ts';
import { documentedMetrics } from '../../relay/observe/metrics.ts';
import { relayStates } from '../../relay/observe/state.ts';
import { kafkaChecks } from '../../relay/operations/check/kafka.ts';
import { postgresChecks } from '../../relay/operations/check/postgres.ts';
import { registryChecks } from '../../relay/operations/check/registry.ts';

const root = join(import.meta.dirname, '../..');
const program = await createProgram();
const map = 'docs/README.md';
const names = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md', { cwd: root }).sort()];
const documents = await Promise.all(
  names.map(async (name) => ({ name, text: await readFile(join(root, name), 'utf8') })),
);
const textOf = (name: string) => documents.find((document) => document.name === name)!.text;
const operations = textOf('docs/guides/operations.md');

test('the README is short', () => {
  expect(Buffer.byteLength(textOf('README.md'))).toBeLessThanOrEqual(12_000);
});

test('the README has the commands that the check of a fresh clone runs', async () => {
  const steps = (await readFile(join(root, '.ci/run'), 'utf8')).match(/^npm (?:ci|test)$/gm);
  expect(textOf('README.md')).toContain(`$ ${steps!.join(' && ')}\n`);
  expect(textOf('README.md')).toContain('$ npm ci && npm run demo\n');
});

test('the sample of check in the guide has every check, in order, and their number', () => {
  const [, sample] = /\$ npx outbox-relay check\n(.*?\d+ failed)\n/s.exec(textOf('docs/guides/install.md'))!;
  const shown = [...sample!.matchAll(/^([✔!]) (\w+) +([^:]+): /gm)];
  const all = { postgres: postgresChecks, kafka: kafkaChecks, registry: registryChecks };
  expect(shown.map(([, , server, name]) => `${server} ${name}`)).toEqual(
    Object.entries(all).flatMap(([server, checks]) => checks.map(({ name }) => `${server} ${name}`)),
  );
  const warnings = shown.filter(([, mark]) => mark === '!').length;
  expect(sample!.split('\n').at(-1)).toBe(
    `${shown.length - warnings} passed, ${counted(warnings, 'warning')}, 0 failed`,
  );
});

test('the README has its figures from the benchmark page', () => {
  const [, comparison] = /## Beside Debezium\n(.*?)\n## /s.exec(textOf('README.md'))!;
  const figures = comparison!.match(/\b[\d,]{4,}\b|\b[\d.]+(?= (?:ms|µs)\b)/g)!;
  expect(figures.length).toBeGreaterThan(4);
  for (const figure of figures) expect(textOf('docs/evidence/benchmark.md')).toContain(` ${figure} `);
});

test('every page and every picture is on the map or on a page of the map', () => {
  const linked = (name: string) => linksOf(name).map(({ file }) => file);
  expect(linked('README.md')).toContain(map);
  const onMap = new Set(linked(map));
  for (const { name } of documents.filter(({ name }) => name.startsWith('docs/') && name !== map))
    expect(onMap, name).toContain(name);
});

test('every picture is shown on a page', async () => {
  const shown = new Set(names.flatMap((name) => linksOf(name).map(({ file }) => file)));
  for (const picture of globSync('docs/**/*.{svg,png,webp}', { cwd: root })) expect(shown).toContain(picture);
});

test('the generated tables are those of the code: npm run docs brings them up to date', async () => {
  for (const page of guides) {
    const text = await readFile(page, 'utf8');
    expect(generate(text)).toBe(text);
  }
  for (const page of pages) {
    const text = await readFile(page, 'utf8');
    expect(generate(text)).toBe(text);
    expect(text, 'says so at its top').toMatch(/^# .*\n\n.*on this page (?:is|are) generated from /);
  }
});

test('every table has its region on a page', async () => {
  const texts = await Promise.all([...pages, ...guides].map((page) => readFile(page, 'utf8')));
  for (const name of Object.keys(tables))
    expect(
      texts.filter((text) => text.includes(`<!-- generated:${name} -->\n\n`)),
      name,
    ).toHaveLength(1);
});

test('a region that no table belongs to is refused', () => {
  expect(() => generate('<!-- generated:weather -->\n<!-- /generated:weather -->')).toThrow('weather');
});

describe.each(documents)('$name', ({ name, text }) => {
  test('names only commands and options that exist', () => {
    for (const { line, words } of commandLines(text)) {
      const command = findCommand(words);
      expect(command, line).toBeDefined();
      const known = optionsOf(command!);
      for (const option of words.filter((word) => word.startsWith('--')))
        expect(known, `${option} in: ${line}`).toContain(option);
    }
  });

  test('names only npm scripts that exist', async () => {
    const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
    for (const [, script] of text.matchAll(/npm run (?:--silent )?([a-z:-]+)/g))
      expect(Object.keys(manifest.scripts)).toContain(script);
  });

  test('gives only options that the npm scripts have', async () => {
    for (const [line, script, args] of text.matchAll(/npm run (?:--silent )?([a-z:-]+) -- ([^`\n]*)/g)) {
      if (script === 'outbox-relay') continue; // a command of the relay: see above
      const source = await readFile(join(root, script!, 'main.ts'), 'utf8');
      for (const [option] of args!.matchAll(/--[a-z][a-z-]*/g))
        expect(source.includes(`'${option}`) || option === '--help', line).toBe(true);
    }
  });

  test('names only files and folders that exist', () => {
    const folders = readdirSync(root).filter((name) => /^[a-z]+$/.test(name) && name !== 'node_modules');
    const paths = new RegExp(`\`((?:${folders.join('|')})/[a-zA-Z0-9._/-]*)\``, 'g');
    for (const [, path] of text.matchAll(paths)) expect(existsSync(join(root, path!)), path).toBe(true);
  });

  test('names only metrics that exist', () => {
    const known = documentedMetrics().flatMap(({ name, type }) =>
      type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    );
    for (const [metric] of text.matchAll(/\boutbox_relay_[a-z_]+\b/g)) expect(known).toContain(metric);
  });

  test('names only error codes, variables and failpoints that exist', () => {
    const known = new Set<string>([
      ...Object.keys(errorTable),
      ...failpoints,
      ...settings.map(({ env }) => env),
      ...foreignNames,
    ]);
    for (const [, token] of text.matchAll(
      /`(?:[^`\n]*[^`\nA-Z_0-9])?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b[^`\n]*`/g,
    ))
      expect(known, token).toContain(token);
  });

  test('names only settings that exist', () => {
    const known = new Set(settings.map(({ path }) => path.join('.')));
    for (const { path } of settings) known.add(path.slice(0, -1).join('.'));
    for (const [, key] of text.matchAll(
      new RegExp(`\`((?:${sections.join('|')})\\.[a-z][A-Za-z.]*)\\b[^\`]*\``, 'g'),
    ))
      expect(known.has(key!) || foreignKeys.has(key!), key).toBe(true);
  });

  test('has no broken link', () => {
    for (const { target, file, anchor } of linksOf(name)) {
      expect(existsSync(join(root, file)), target).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(file), target).toContain(anchor);
    }
  });
});

test('every relay.yaml that is shown is valid', async () => {
  const shown = documents.flatMap(({ text }) =>
    [...text.matchAll(/```yaml\n(slot:.*?)```/gs)].map(([, yaml]) => yaml!),
  );
  expect(shown.length).toBeGreaterThan(0);
  const folder = await mkdtemp(join(tmpdir(), 'outbox-relay-docs-'));
  try {
    for (const [index, yaml] of shown.entries()) {
      const file = join(folder, `${index}.yaml`);
      await writeFile(file, yaml);
      expect(() => loadConfig({ file, env: {} })).not.toThrow();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the runbook has an entry for every error code', () => {
  const runbook = operations.slice(operations.indexOf('## Runbook'));
  const missing = Object.keys(errorTable).filter((code) => !runbook.includes(`\n#### \`${code}\`\n\n`));
  expect(missing).toEqual([]);
});

test('every reason that /readyz can give is explained', () => {
  const reasons = relayStates.map((state) => {
    const health = new Health({ notReadyAfterMs: 0 });
    health.enter(state);
    return health.ready().reason;
  });
  const waiting = new Health({ notReadyAfterMs: 0 });
  waiting.failing(new RelayError('SLOT_IN_USE', ''));
  const failing = new Health({ notReadyAfterMs: 0 });
  failing.failing(new RelayError('KAFKA_UNAVAILABLE', ''));
  const stopped = new Health({ notReadyAfterMs: 0 });
  stopped.stopped(new RelayError('SLOT_MISSING', ''));
  for (const health of [waiting, failing, stopped]) reasons.push(health.ready().reason);
  const generic = (reason: string) => reason.replace(/: [A-Z_]+$/, ': <code>');
  for (const reason of reasons) expect(operations).toContain(`| \`${generic(reason)}\` |`);
});

/** Names of others' that look like ours. */
const foreignNames = [
  // Of Apicurio.
  'REGISTRY_RULES_GLOBAL_COMPATIBILITY',
  'OUTBOX_RELAY_CONFIG',
  'DEPLOY_TOOLS',
  'APP_DATABASE_URL',
  'NODE_OPTIONS',
  'CONCURRENT_TRANSACTIONS',
  'START_REPLICATION',
  'SQL_ASCII',
  'ISOLATION_LEVEL_CONFIG',
  'SCHEMA_REGISTRY_CONFORMANCE_URL',
  'PROMETHEUS_BIN_DIR',
  'RELAY_MAIN',
  // Of OpenTelemetry's packages.
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_EXPORTER_OTLP_PROTOCOL',
  'OTEL_EXPORTER_OTLP_CERTIFICATE',
  'OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE',
  'OTEL_EXPORTER_OTLP_CLIENT_KEY',
  'OTEL_TRACES_EXPORTER',
  'OTEL_TRACES_SAMPLER',
  'OTEL_TRACES_SAMPLER_ARG',
  'OTEL_SDK_DISABLED',
  'OTEL_SERVICE_NAME',
  'OTEL_RESOURCE_ATTRIBUTES',
  'OTEL_BSP_MAX_QUEUE_SIZE',
  'OTEL_BSP_SCHEDULE_DELAY',
] as const;

/** Names of tables and topics that begin like a section. */
const foreignKeys: ReadonlySet<string> = new Set([
  'outbox.event',
  // Of a topic in Kafka.
  'cleanup.policy',
  'outbox.dead',
  'outbox.action',
  'outbox.control',
  'outbox.pause',
  'outbox.relay',
  'outbox.trail',
  'outbox.progress',
  'outbox.heartbeat',
  'outbox.migration',
  'outbox.removal',
  'outbox.audit',
  'outbox.audit.',
  'outbox.audit.unjudged',
  'audit.jsonl',
  'outbox.replay',
  'outbox.emit',
  'database.url',
  'outbox.event.',
  'outbox.event.order',
]);

const sections = [...new Set(settings.filter(({ path }) => path.length > 1).map(({ path }) => path[0]!))];

/** Lines of shell, and code in the text, that call the relay. */
function commandLines(text: string): { line: string; words: string[] }[] {
  const inline = [...withoutBlocks(text).matchAll(/`(outbox-relay [^`]+)`/g)].map(([, code]) => code!);
  const shell = [
    ...text.matchAll(/^\$ (?:.*\| )?(?:npx )?(outbox-relay [^|#\n]+)/gm),
    ...text.matchAll(/^\$ npm run (outbox-relay) -- ([^|#\n]+)/gm),
  ].map(([, ...code]) => code.join(' '));
  return [...inline, ...shell].map((line) => ({ line, words: line.trim().split(/\s+/).slice(1) }));
}

function findCommand(words: readonly string[]): Command | undefined {
  let command: Command = program;
  for (const word of words) {
    if (word.startsWith('-')) break;
    const child = command.commands.find((each) => each.name() === word);
    if (child === undefined) return isArgument(command, word) ? command : undefined;
    command = child;
  }
  return command;
}

function isArgument(command: Command, word: string): boolean {
  const [argument] = command.registeredArguments;
  if (argument === undefined) return false;
  if (argument.name().startsWith('letter') && parsePosition(word) !== undefined) return true;
  if (argument.name() === 'event') return true;
  return ['…', `<${argument.name()}>`].includes(word) || argument.argChoices?.includes(word) === true;
}

function optionsOf(command: Command): string[] {
  const own = command.options.flatMap(({ long }) => (long == null ? [] : [long]));
  return command.parent === null ? [...own, '--help'] : [...own, ...optionsOf(command.parent)];
}

function withoutBlocks(text: string): string {
  return text.replace(/```.*?```/gs, '');
}

function withoutCode(text: string): string {
  return withoutBlocks(text).replace(/`[^`\n]*`/g, '');
}

type Link = { readonly target: string; readonly file: string; readonly anchor: string | undefined };

/** The links of a page to files of the repository, with the path from its root. */
function linksOf(name: string): Link[] {
  return [...withoutCode(textOf(name)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^https?:/.test(target))
    .map((target) => {
      const [path = '', anchor] = target.split('#');
      return { target, file: path === '' ? name : join(dirname(name), path), anchor };
    });
}

/** As GitHub makes them from headings. */
function anchorsOf(file: string): string[] {
  const text = documents.find((document) => document.name === file)?.text ?? '';
  return [...withoutBlocks(text).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
