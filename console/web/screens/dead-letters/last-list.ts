/** The list that a person comes from, with its conditions and page: Escape and the way up lead back there. */
let last: string | null = null;

export const lastList = (): string | null => last;

export function rememberList(query: URLSearchParams): void {
  const kept = new URLSearchParams(query);
  kept.delete('job');
  last = `/dead-letters/list?${kept}`;
}
