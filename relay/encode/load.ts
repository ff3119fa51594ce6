/** Owns what encoded events mean for the gate: where they go, and how much they are. Pure. */
import type { Gate, Load } from '../model/gate.ts';
import { type EncodedEvent, isRefusal } from './record.ts';

/** What is refused goes nowhere. What is set aside counts for no rate, but a topic of it may be full. */
export function loadOf(encoded: readonly EncodedEvent[], gate: Pick<Gate, 'isSetAside'>): Load {
  const topics = new Set<string>();
  let events = 0;
  let bytes = 0;
  for (const one of encoded) {
    if (isRefusal(one)) continue;
    topics.add(one.topic);
    if (gate.isSetAside(one.topic)) continue;
    events += 1;
    bytes += one.bytes;
  }
  return { topics, events, bytes };
}
