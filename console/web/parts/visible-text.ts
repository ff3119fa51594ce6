/** Text from rows, so that a person sees all of it: control characters, and those that hide or turn others. Pure. */

export type TextPart = {
  readonly text: string;
  /** The code point of what is shown by a sign of its own, such as `U+0007`; undefined for plain text. */
  readonly code?: string;
};

/** Controls, separators of lines, zero-width characters, and what changes the direction of text. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u00a0]/gu;

export function visibleParts(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let at = 0;
  for (const { 0: char, index } of text.matchAll(unseen)) {
    if (index > at) parts.push({ text: text.slice(at, index) });
    parts.push({ text: signOf(char), code: codeOf(char) });
    at = index + char.length;
  }
  if (at < text.length) parts.push({ text: text.slice(at) });
  return parts;
}

export const visibleText = (text: string): string =>
  visibleParts(text)
    .map((part) => part.text)
    .join('');

const codeOf = (char: string) => `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;

/** The names of the first 32; their pictures are missing in many fonts. */
const controls =
  'NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'.split(
    ' ',
  );

const signOf = (char: string) => `‹${controls[char.codePointAt(0)!] ?? codeOf(char).slice(2)}›`;
