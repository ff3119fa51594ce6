/** Findings of `check` in the order in which a person needs them. Pure. */
import type { Finding } from '../../../../relay/operations/check/finding.ts';

export type Group = 'problem' | 'warning' | 'role' | 'skipped' | 'fine';

/**
 * What the answer says of the role that asks, and not of the relay's: the console has another one, which needs none of
 * these rights.
 */
const ofRole: ReadonlySet<string> = new Set(['rights', 'replication right']);

export function groupOf({ server, name, status }: Pick<Finding, 'server' | 'name' | 'status'>): Group {
  if (status === 'skipped') return 'skipped';
  if (status === 'ok') return 'fine';
  if (server === 'postgres' && ofRole.has(name)) return 'role';
  return status === 'fail' ? 'problem' : 'warning';
}

export const groups: readonly Group[] = ['problem', 'warning', 'role', 'skipped', 'fine'];

export function grouped<Each extends Pick<Finding, 'server' | 'name' | 'status'>>(
  findings: readonly Each[],
): readonly (readonly [Group, readonly Each[]])[] {
  return groups
    .map((group) => [group, findings.filter((finding) => groupOf(finding) === group)] as const)
    .filter(([, own]) => own.length > 0);
}
