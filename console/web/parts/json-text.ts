/**
 * JSON as text: laid out for reading, and back. Pure. Promise: no token changes, so a number keeps every digit and a string
 * every escape. Text that is not JSON stays as it is.
 */

/** Deeper levels are not indented further: a payload of a hundred thousand brackets must not become gigabytes of spaces. */
const indentLevelsMax = 40;
const spaces = /[ \t\n\r]/;

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** One member or element a line. */
export function pretty(text: string): string {
  if (!isJson(text)) return text;
  const out: string[] = [];
  let depth = 0;
  const newLine = () => out.push('\n', '  '.repeat(Math.min(depth, indentLevelsMax)));
  for (const token of tokensOf(text))
    if (token === '{' || token === '[') {
      out.push(token);
      depth++;
      newLine();
    } else if (token === '}' || token === ']') {
      depth--;
      // Nothing is inside: the new line goes.
      if (out.at(-3) === '{' || out.at(-3) === '[') out.length -= 2;
      else newLine();
      out.push(token);
    } else if (token === ',') {
      out.push(token);
      newLine();
    } else out.push(token === ':' ? ': ' : token);
  return out.join('');
}

/** Without the space between tokens. */
export const compact = (text: string): string => (isJson(text) ? [...tokensOf(text)].join('') : text);

/** Of valid JSON: brackets, commas and colons, strings, and numbers and names. */
export function* tokensOf(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const begin = at;
    const char = text[at++]!;
    if (spaces.test(char)) continue;
    if (char === '"') {
      while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
      at++;
    } else if (!'{}[],:'.includes(char)) while (at < text.length && !/[{}[\],:\s]/.test(text[at]!)) at++;
    yield text.slice(begin, at);
  }
}
