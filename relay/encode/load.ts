/** Owns what encoded events mean for the gate: where they go, and how much they are. Pure. */
import type { Gate, Load } from '../model/gate.ts';
import { type EncodedEvent, isRefusal } from './record.ts';

/**
 * What is refused goes nowhere. What is set aside counts for no rate, but a topic of it may be full, for what is refused too:
 * it parks its key.
 */
export function loadOf(encoded: readonly EncodedEvent[], gate: Pick<Gate, 'isSetAside'>): Load {
  const topics = new Set<string>();
  let events = 0;
  let bytes = 0;
  for (const one of encoded) {
    if (isRefusal(one)) {
      if (one.topic !== null && gate.isSetAside(one.topic)) topics.add(one.topic);
      continue;
    }
    topics.add(one.topic);
    if (gate.isSetAside(one.topic)) continue;
    events += 1;
    bytes += one.bytes;
  }
  return { topics, events, bytes };
}
