/** `outbox-relay config`: what is in force, and where it comes from. */
import { Command } from 'commander';
import { describeConfig, type Setting, settings } from '../config/config.ts';
import type { Load } from './load.ts';
import { formatTable } from './table.ts';

const help = `
Changes nothing and asks no server. The environment wins over the file, the file over the defaults. Secrets are masked.

Exit codes: 0 the configuration is valid · 64 it is not; every fault is listed

Examples:
  $ outbox-relay config
  $ outbox-relay config --json | jq -r '.[] | select(.source != "default") | .key'
  $ outbox-relay config --defaults > relay.yaml`;

export function configCommand(load: Load): Command {
  return new Command('config')
    .description('show the effective configuration and where each value comes from')
    .option('--json', 'print a JSON array of {key, value, source, env}')
    .option('--defaults', 'print a relay.yaml with every setting, its description and default, commented out')
    .addHelpText('after', help)
    .action((options: { json?: boolean; defaults?: boolean }, command: Command) => {
      const print = (text: string) => command.configureOutput().writeOut?.(`${text}\n`);
      if (options.defaults) return print(template());
      // Whatever is not set is shown as that.
      const { config, provenance } = load(command, []);
      const rows = describeConfig(config, provenance);
      if (options.json) return print(JSON.stringify(rows, null, 2));
      const cells = rows.map(({ key, value, source, env }) => [key, value, source, env]);
      print(formatTable([['KEY', 'VALUE', 'SOURCE', 'ENVIRONMENT'], ...cells]));
    });
}

/** The reader's template: a section a paragraph, every key commented out with its default. */
export function template(): string {
  const lines = [
    '# Settings of the outbox relay. What is commented out has the value shown. The environment wins over this file.',
    `# \${NAME} and \${NAME:-fallback} stand for environment variables.`,
  ];
  for (const [section, own] of bySection()) {
    const depth = section === '' ? 0 : section.split('.').length;
    lines.push('', ...(depth === 0 ? [] : [`${indent(depth - 1)}${section.split('.').at(-1)}:`]));
    for (const setting of own) {
      lines.push(`${indent(depth)}# ${setting.description} (${setting.env})`);
      lines.push(`${indent(depth)}# ${example(setting)}`);
    }
  }
  return lines.join('\n');
}

/** A key of YAML may stand only once, so what belongs to one section comes together, and its subsections after it. */
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
