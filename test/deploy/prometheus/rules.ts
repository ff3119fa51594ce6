/** The alert rules as data, and a copy of them whose time runs faster, so that a test sees an alert fire and clear. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

export const folder = join(import.meta.dirname, '../../../deploy/prometheus');
export const rulesFile = join(folder, 'outbox-relay.rules.yaml');

export type Rule = {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
};

type File = { readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[] };

export type Alert = Rule & { readonly alert: string };

export const rulesText = () => readFile(rulesFile, 'utf8');

export function alertsOf(text: string): Alert[] {
  const { groups } = parse(text) as File;
  return groups.flatMap(({ rules }) => rules.filter((rule): rule is Alert => rule.alert !== undefined));
}

const millisecondsOf = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * @param speed how many times faster: divides how long a condition must hold, the windows and the offsets
 * @param holdMaxMs the longest that a condition must hold in the copy
 * @param borders by alert, what to replace in its expression, as `['> 60', '> 2']`: ages and sizes that no test can reach
 * @throws where a border is not in the expression, or an alert is not in the file
 */
export function hastened(
  text: string,
  { speed, holdMaxMs }: { readonly speed: number; readonly holdMaxMs: number },
  borders: Readonly<Record<string, readonly [from: string, to: string]>>,
): string {
  const faster = (duration: string, maxMs = Number.POSITIVE_INFINITY) => {
    const [, amount, unit] = /^(\d+)([smhd])$/.exec(duration) ?? [];
    if (unit === undefined) throw new Error(`${duration} is no duration`);
    const ms = (Number(amount) * millisecondsOf[unit as keyof typeof millisecondsOf]) / speed;
    return `${Math.round(Math.min(ms, maxMs))}ms`;
  };
  const unused = new Set(Object.keys(borders));
  const hasten = (rule: Rule): Rule => {
    const [from, to] = borders[rule.alert ?? ''] ?? ['', ''];
    if (!rule.expr.includes(from)) throw new Error(`${rule.alert} has no ${from}`);
    unused.delete(rule.alert ?? '');
    const expr = rule.expr
      .replaceAll(from, to)
      .replace(/\[(\w+)\]/g, (_, window: string) => `[${faster(window)}]`)
      .replace(/\boffset (\w+)/g, (_, offset: string) => `offset ${faster(offset)}`);
    return { ...rule, expr, ...(rule.for === undefined ? {} : { for: faster(rule.for, holdMaxMs) }) };
  };
  const { groups } = parse(text) as File;
  const result = stringify({ groups: groups.map((group) => ({ ...group, rules: group.rules.map(hasten) })) });
  if (unused.size > 0) throw new Error(`no alerts ${[...unused].join(', ')}`);
  return result;
}
