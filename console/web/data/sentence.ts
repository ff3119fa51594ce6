/** What the relay says of itself, as a sentence of a page. Pure. */

/** Names of settings and files have dots, underscores or capitals, and stay as they are. */
const firstWord = /^[a-z]+(?=[ ,:;]|$)/;

/** Messages of errors begin small and end without a point, since a log line goes on behind them. */
export function sentence(message: string): string {
  const begun = message.replace(firstWord, (word) => word[0]!.toUpperCase() + word.slice(1));
  return /[.?!:]$/.test(begun) ? begun : `${begun}.`;
}
