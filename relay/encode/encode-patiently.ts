/** Encodes for a command that nobody restarts: what fails for a reason that passes within its time is tried again. */
import { setTimeout as delay } from 'node:timers/promises';
import type { OutboxEvent } from '../capture/event.ts';
import type { Config } from '../config/config.ts';
import { backoffMs } from '../connect/backoff.ts';
import { RelayError } from '../errors.ts';
import type { Encoder } from './encoder.ts';
import type { EncodedEvent } from './record.ts';

/** Failures that pass within the time that a command can wait. */
const passing: ReadonlySet<string> = new Set(['ENCODING_UNCLEAR', 'TOPIC_CREATION_PACED']);

/** Retries unclear failures as the stream does: another run of the command would count the attempts from zero. */
export async function encodePatiently(
  encoder: Encoder,
  events: readonly OutboxEvent[],
  retry: Config['retry'],
): Promise<EncodedEvent[]> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await encoder.encode(events);
    } catch (error) {
      const mayPass = error instanceof RelayError && passing.has(error.code);
      if (!mayPass) throw error;
      await delay(backoffMs(attempt, retry));
    }
  }
}
