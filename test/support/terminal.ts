/** What a row may try on a terminal, and whether a text still does. */

/** Title set, line erased, a CSI of C1, text turned around, a line that passes for one of ours. */
export const hostile = '\u001b]0;title\u0007\u001b[2K\u009b31m\u202eevil\u2066\u061c\r\n✔ fine\b\u2028';

const turning = new Set([0x61c, 0x200e, 0x200f, 0x2028, 0x2029]);

/** The first character that a terminal acts on, but the ends of lines. */
export function actingIn(text: string): string | undefined {
  return [...text].find((character) => {
    const code = character.codePointAt(0)!;
    const isControl = code < 0x20 || (code >= 0x7f && code <= 0x9f);
    const isTurning =
      turning.has(code) || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return (isControl && character !== '\n') || isTurning;
  });
}
