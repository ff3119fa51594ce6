/** Reports the transactions that Kafka left unfinished in a partition. */
import type { RelayObserver } from '../observe/observer.ts';
import { onMarkerFound } from './lean/markers.ts';

/** @returns a function that stops watching */
export function watchMarkers(observer: RelayObserver): () => void {
  return onMarkerFound((found) => observer.markerMissed?.(found));
}
