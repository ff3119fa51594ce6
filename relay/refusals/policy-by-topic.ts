/** Owns which policy applies to a topic. Pure. */
import type { Policy } from '../config/policy-names.ts';
import { wildcard } from '../config/topic-patterns.ts';

export type PolicySettings = {
  readonly policy: Policy;
  /** Entries `<topic>=<policy>`, where `*` stands for any characters of the topic. */
  readonly policies: readonly string[];
};

/** The first entry that matches the topic applies, else `policy`; an event that has no topic is subject to `policy`. */
export function policyByTopic(settings: PolicySettings): (topic: string | null) => Policy {
  const entries = settings.policies.map((entry) => {
    const [pattern = '', policy] = entry.split('=');
    return { fits: new RegExp(`^${wildcard(pattern)}$`), policy: policy as Policy };
  });
  return (topic) =>
    (topic === null ? undefined : entries.find(({ fits }) => fits.test(topic))?.policy) ?? settings.policy;
}
