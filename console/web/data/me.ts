/** Who is signed in. */
import { useQuery } from '@tanstack/react-query';
import { api, ask } from './api.ts';

export const meQuery = { queryKey: ['me'], queryFn: () => ask(api.me.$get()), staleTime: 60_000 };

export const useMe = () => useQuery(meQuery).data;
