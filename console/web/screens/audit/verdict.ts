/** What a verify has proven, in one sentence, as the command says it. Pure. */
import type { AuditReport } from '../../../../relay/operations/verify.ts';
import { counted } from '../../data/format.ts';

type Judged = Pick<
  AuditReport,
  'ok' | 'isCovered' | 'events' | 'matched' | 'findings' | 'unjudged' | 'progress'
>;

export function verdictOf({ ok, isCovered, events, matched, findings, unjudged, progress }: Judged): {
  readonly tone: 'good' | 'warn' | 'bad';
  readonly text: string;
} {
  const number = Object.values(findings).reduce((sum, { count }) => sum + count, 0);
  if (number > 0) return { tone: 'bad', text: `${counted(number, 'finding')}.` };
  const isOfOther = progress !== null && !progress.isSameDatabase;
  if (!ok && (isOfOther || (progress === null && unjudged.notYetPublished.count > 0)))
    return {
      tone: 'warn',
      text: isOfOther
        ? 'Not proven: the progress belongs to another Postgres cluster.'
        : `Not proven: ${counted(unjudged.notYetPublished.count, 'event')} not yet published, and Kafka has no progress of this slot.`,
    };
  if (!ok)
    return {
      tone: 'warn',
      text:
        unjudged.missingOrRemoved.count > 0
          ? `Not proven: ${counted(unjudged.missingOrRemoved.count, 'event')} without a record, either missing or removed by Kafka.`
          : unjudged.leakedOrNotShown.count > 0
            ? `Not proven: ${counted(unjudged.leakedOrNotShown.count, 'record')} without a row, either leaked or of transactions that have not ended.`
            : unjudged.leakedOrRemoved.count > 0
              ? `Not proven: ${counted(unjudged.leakedOrRemoved.count, 'record')} without a row, either leaked or of rows that cleanup removed.`
              : `Not proven: nothing could be compared. None of ${counted(events, 'event')} has a record or a dead letter.`,
    };
  if (events === 0) return { tone: 'warn', text: 'Nothing verified: the table holds no events.' };
  if (!isCovered)
    return {
      tone: 'warn',
      text: 'No findings, but the progress has not reached the snapshot, so missing events could not be judged.',
    };
  const waiting = unjudged.notYetPublished.count;
  if (waiting > 0)
    return { tone: 'warn', text: `No findings so far: ${counted(waiting, 'event')} not yet published.` };
  if (matched === 0)
    return {
      tone: 'warn',
      text: `Nothing verified: everything (${counted(events, 'event')}) is from before the relay first started.`,
    };
  const since =
    unjudged.undated.count > 0
      ? 'that is known to be written since the relay first started'
      : unjudged.before.count > 0
        ? 'since the relay first started'
        : unjudged.expired.count + unjudged.superseded.count > 0
          ? 'in the snapshot that the topics may still have'
          : 'in the snapshot';
  return { tone: 'good', text: `Every event ${since} is published exactly once, or is a dead letter.` };
}
