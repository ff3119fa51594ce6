/** What the relay does by itself: about refused events, old rows, failures, and to audit its work. */
import { z } from 'zod';
import { policies } from '../policy-names.ts';
import { choice, flag, integer, optionalDuration, optionalText, section } from '../setting.ts';

export const deadLetters = section({
  policy: choice(
    'What happens to an event that cannot be published: `dead-letter` = it becomes a dead letter and the stream continues; `park-key` = later events of its topic and key also wait, until the key is released; `halt` = the relay stops.',
    policies,
    'dead-letter',
  ),
  policies: z
    .array(z.string().regex(new RegExp(`^[^=\\s,]+=(${policies.join('|')})$`), 'must be <topic>=<policy>'))
    .default([])
    .meta({
      kind: 'list',
      description:
        'Policies by topic, as `<topic>=<policy>`. `*` stands for any characters; the first match counts. `deadLetters.policy` applies to all other events.',
    }),
  topic: optionalText(
    'Topic that also receives each refused event: its JSON unchanged, with the reason in headers. It must be outside `topics.allow`.',
  ),
  keepClosed: integer(
    'How many closed dead letters (resubmitted, discarded or released) the relay keeps, newest first; 0 = all.',
    0,
    0,
    100_000_000,
  ),
  keepClosedDays: integer(
    'How many days the relay keeps closed dead letters; 0 = without limit.',
    0,
    0,
    36_500,
  ),
  stormPercent: integer(
    'Percentage of refused events within a minute above which the relay stops; 100 = never.',
    50,
    1,
    100,
  ),
  stormMinEvents: integer(
    'How many events that minute must have for `deadLetters.stormPercent` to apply.',
    1_000,
    1,
    1_000_000,
  ),
});

export const cleanup = section({
  retention: optionalDuration(
    'How long published events stay in the outbox table, by their `created_at`, such as `3d` or `36h`. The relay then drops whole partitions of `outbox.event`, and deletes rows of the default partition and of an outbox table of your own. Unset: it removes nothing.',
    '3d',
  ),
  unproven: choice(
    'What happens to rows that nobody can know to be published: written before the relay first started or before an `adopt`, or brought into the table with a partition that was attached. `keep` = they stay, and so does their partition; `remove` = they go like published ones.',
    ['keep', 'remove'],
    'keep',
  ),
  requireVerified: flag(
    'Whether only rows go that the standing audit has compared with the topics, on every slot, while it misses no event.',
    false,
  ),
  archive: optionalText(
    'Directory into which each partition is written as a compressed file of JSON lines before it is dropped. Only whole partitions are archived, so with it no single rows are deleted.',
  ),
  rowsPerSecond: integer(
    'Most rows that the relay deletes per second, where it deletes rows.',
    2_000,
    1,
    1_000_000,
  ),
});

export const retry = section({
  initialDelayMs: integer(
    'Pause after the first failure, in ms. It doubles with each further failure, with full jitter.',
    100,
    1,
    60_000,
  ),
  maxDelayMs: integer('Longest pause between two attempts, in ms.', 15_000, 10, 600_000),
  unclearAttempts: integer(
    'How many times the relay retries an event whose encoding fails for an unclear reason, such as a bug, before the event becomes a dead letter.',
    5,
    0,
    100,
  ),
  notReadyAfterMs: integer(
    'How long the relay may fail before `/readyz` answers 503, in ms.',
    30_000,
    0,
    3_600_000,
  ),
});

export const audit = section({
  everyMinutes: integer(
    'How often the relay that streams runs the audit, in minutes; 0 = never. `outbox-relay audit` runs it in a process of its own instead.',
    0,
    0,
    1_440,
  ),
  maxPerSecond: integer(
    'How many rows and records the audit reads per second at most, on average; 0 = no limit. A published event is one of each.',
    20_000,
    0,
    10_000_000,
  ),
  httpPort: integer(
    'Port on which `outbox-relay audit` serves `/metrics` on http.host; 0 = any free port.',
    9466,
    0,
    65_535,
  ),
});
