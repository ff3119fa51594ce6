/** What a person can do about each cause, in the words of the pages. Pure. */

const byCode: Readonly<Record<string, string>> = {
  PAYLOAD_INVALID:
    'Correct the writer first. Then edit the payload, or apply one patch to the whole group; or register a schema that accepts it.',
  PAYLOAD_NOT_JSON: 'The payload is NULL or not JSON. Correct the writer, then edit the payload.',
  SCHEMA_MISSING:
    'Register the schema, check that the events would be published, then resubmit them. If nobody needs the events, such as those of a test, discard them.',
  SCHEMA_INVALID:
    'Correct the schema in the registry, check that the events would be published, then resubmit them.',
  TYPE_NOT_IN_SCHEMA:
    'Register a schema that has this type, then resubmit the events; or write the event again with the correct type.',
  RECORD_TOO_LARGE:
    'Raise max.message.bytes of the topic or publish.maxRecordBytes, then resubmit; or discard it and write smaller events.',
  TOPIC_MISSING: 'Create the topic, check that the events would be published, then resubmit them.',
  KEY_PARKED: 'It waits behind an earlier event of its key. Fix or discard that one, then release the key.',
  TOPIC_PAUSED: 'Somebody set its topic aside. Resume the topic, and the events are published in order.',
};

export const adviceOf = (code: string): string =>
  byCode[code] ??
  'Correct the cause that the message names, check that the event would be published, then resubmit it.';

/** Whether another payload can help. */
export const isOfPayload = (code: string): boolean =>
  /^(PAYLOAD|EVENT|ENCODING|TYPE)_|^RECORD_TOO_LARGE$/.test(code);

type Refusal = { readonly code: string | null; readonly message: string };

/** What the relay would do with an event that it refused; the reason follows where it is another one. */
export function refusedAgain(was: Refusal, now: Refusal): string {
  if (was.code !== now.code) return 'The relay would refuse it, for another reason:';
  // The message may have more to say now, such as a subject that is near.
  return isSameRefusal(was, now)
    ? 'The relay would refuse it again, for the same reason.'
    : 'The relay would refuse it again:';
}

export const isSameRefusal = (was: Refusal, now: Refusal): boolean =>
  was.code === now.code && was.message === now.message;
