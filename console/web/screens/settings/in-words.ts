/** The value of a setting in the unit that a person reads, beside the one in its name. Pure. */
import { bytes, milliseconds, seconds } from '../../data/format.ts';

/** @returns null where the value says it as well */
export function inWords(key: string, text: string): string | null {
  if (!/^\d{1,15}$/.test(text)) return null;
  const value = Number(text);
  if (key.endsWith('Bytes')) return value < 1_024 ? null : bytes(value);
  if (key.endsWith('BytesPerSecond')) return value < 1_024 ? null : `${bytes(value)}/s`;
  if (key.endsWith('Ms')) return value < 1_000 ? null : milliseconds(value);
  if (key.endsWith('Seconds')) return value < 60 ? null : seconds(value);
  return null;
}
