/** Who is signed in, and what they may do. */
import { useQuery } from '@tanstack/react-query';
import { api, ask } from './api.ts';

export const meQuery = { queryKey: ['me'], queryFn: () => ask(api.me.$get()), staleTime: 60_000 };

export const useMe = () => useQuery(meQuery).data;

/** Why the person may not change anything, for the buttons that would; null where they may. The server refuses it too. */
export function useWhyNot(): string | null {
  const me = useMe();
  if (me === undefined) return 'Who is signed in is not known yet.';
  if (me.role === 'operate') return null;
  return me.via === 'token'
    ? 'You are signed in to look. To act, sign in with the token for operators.'
    : 'You are signed in to look. To act, your name must be in console.operators.';
}
