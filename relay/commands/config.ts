/** `outbox-relay config`: the settings in force, and where each comes from. */
import { Command } from 'commander';
import { describeConfig, type Setting, settings } from '../config/config.ts';
import { type Call, define } from './command.ts';
import { formatTable } from './format.ts';
import { helpText } from './help-text.ts';
import type { Load } from './load.ts';

type ConfigOptions = { json?: boolean; defaults?: boolean };

const help = `
Changes nothing and connects to no server. Environment variables override the file, and the file overrides the defaults.
Secrets are masked. A running relay reads a setting that changes "at once" again when the file changes, or on SIGHUP;
the others take effect after a restart. The file is the one given with -c, or else by OUTBOX_RELAY_CONFIG, or else relay.yaml in the working
directory.

Exit codes: 0 the configuration is valid · 64 it is invalid; every fault is listed

Examples:
  $ outbox-relay config
  $ outbox-relay config --json | jq -r '.[] | select(.source != "default") | .key'
  $ outbox-relay config --defaults > relay.yaml`;

export function configCommand(load: Load): Command {
  const command = new Command('config')
    .description('show the settings in force and where each value comes from')
    .option('--json', 'print a JSON array of {key, value, source, env, reload}')
    .option(
      '--defaults',
      'print a relay.yaml with every setting, its description and its default, all commented out',
    )
    .addHelpText('after', helpText(help));
  // A setting that is missing is shown as "not set", not refused.
  return define<ConfigOptions>(command, load, { needs: [], run });
}

async function run(call: Call<ConfigOptions>) {
  if (call.options.defaults) {
    call.print(template());
    return {};
  }
  const { config, provenance } = call;
  const rows = describeConfig(config, provenance);
  const cells = rows.map(({ key, value, source, env, reload }) => [
    key,
    value,
    source,
    env,
    reload ? 'at once' : 'after a restart',
  ]);
  return { data: rows, text: formatTable([['KEY', 'VALUE', 'SOURCE', 'ENVIRONMENT', 'CHANGES'], ...cells]) };
}

/** A relay.yaml to start from: every key commented out, with its description and default. */
export function template(): string {
  const lines = [
    '# Settings of the outbox relay. A key that is commented out has the value shown. Environment variables override this file.',
    `# \${NAME} and \${NAME:-fallback} are replaced by environment variables.`,
  ];
  for (const [section, own] of bySection()) {
    const depth = section === '' ? 0 : section.split('.').length;
    lines.push('', ...(depth === 0 ? [] : [`${indent(depth - 1)}${section.split('.').at(-1)}:`]));
    for (const setting of own) {
      const note = setting.reload ? ' Applies without a restart.' : '';
      lines.push(`${indent(depth)}# ${setting.description}${note} (${setting.env})`);
      lines.push(`${indent(depth)}# ${example(setting)}`);
    }
  }
  return lines.join('\n');
}

/** A key may occur only once in YAML, so the settings of a section stay together, and its subsections follow. */
function bySection(): Map<string, Setting[]> {
  const sections = new Map<string, Setting[]>();
  for (const setting of settings) {
    const section = setting.path.slice(0, -1).join('.');
    sections.set(section, [...(sections.get(section) ?? []), setting]);
  }
  return sections;
}

function indent(depth: number): string {
  return '  '.repeat(depth);
}

/** JSON is YAML too, and needs no rules for quoting. */
function example({ path, default: fallback }: Setting): string {
  return `${path.at(-1)}:${fallback === undefined ? '' : ` ${JSON.stringify(fallback)}`}`;
}
