/** The details of an action, which the audit trail keeps as JSON, for people. Pure. No number loses a digit. */
import { isJson, tokensOf } from '../../parts/json-text.ts';

/** @param text an object, whose values are shown as they are; anything else stays what it is */
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

const wordOf = (token: string) => (token.startsWith('"') ? (JSON.parse(token) as string) : token);
