/** Owns which policy applies to a topic. Pure. */
import type { Policy } from '../config/policy-names.ts';
import { wildcard } from '../config/topic-patterns.ts';

/** Both change without a restart: they are read for each event. */
export type PolicySettings = {
  readonly policy: Policy;
  /** Entries `<topic>=<policy>`, where `*` stands for any characters of the topic. A change is another list. */
  readonly policies: readonly string[];
};

/** The first entry that matches the topic applies, else `policy`; an event that has no topic is subject to `policy`. */
export function policyByTopic(settings: PolicySettings): (topic: string | null) => Policy {
  let policies = settings.policies;
  let entries = policies.map(readEntry);
  return (topic) => {
    if (settings.policies !== policies) {
      policies = settings.policies;
      entries = policies.map(readEntry);
    }
    return (
      (topic === null ? undefined : entries.find(({ fits }) => fits.test(topic))?.policy) ?? settings.policy
    );
  };
}

function readEntry(entry: string): { readonly fits: RegExp; readonly policy: Policy } {
  const [pattern = '', policy] = entry.split('=');
  return { fits: new RegExp(`^${wildcard(pattern)}$`), policy: policy as Policy };
}
