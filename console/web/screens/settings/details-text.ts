/** The details of an action, which the audit trail keeps as JSON, for people. Pure. No number loses a digit. */
import { localTime } from '../../data/format.ts';
import { isJson, tokensOf } from '../../parts/json-text.ts';

/** As the trail has it, but for what a person may take for something else: an undo is in it as a change of the payload too. */
export const actionText = (action: string): string => (action === 'fix' ? 'fix or undo' : action);

/** null: as the settings of the relay say; 0: none. undefined for what are not the details of a rate limit. */
export function limitText(text: string): string | undefined {
  const [events, bytes] = ['events', 'bytes'].map((unit) => {
    const value = new RegExp(`"${unit}PerSecond": ?(null|\\d+)`).exec(text)?.[1];
    if (value === undefined) return undefined;
    return value === 'null'
      ? `${unit} as the settings say`
      : value === '0'
        ? `no limit of ${unit}`
        : `${value} ${unit}/s`;
  });
  return events === undefined || bytes === undefined ? undefined : `${events}, ${bytes}`;
}

/** @param text an object, whose values are shown as they are, times in the zone of the viewer; anything else stays what it is */
export function detailsText(text: string): string {
  if (!isJson(text) || !text.trimStart().startsWith('{')) return text;
  const parts: string[] = [];
  let depth = 0;
  for (const token of tokensOf(text)) {
    if (token === '}' || token === ']') depth--;
    if (depth === 1 && token === ',') parts.push('');
    else if (depth === 1 && token === ':') parts.push(`${parts.pop()}: `);
    else if (depth > 0) parts.push(`${parts.pop() ?? ''}${depth === 1 ? wordOf(token) : token}`);
    if (token === '{' || token === '[') depth++;
  }
  return parts.join(', ');
}

const time = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)$/;

function wordOf(token: string): string {
  if (token === 'null') return 'none';
  if (!token.startsWith('"')) return token;
  const word = JSON.parse(token) as string;
  return time.test(word) ? localTime(word) : word;
}
