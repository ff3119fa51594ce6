/** After a change of dead letters: everything that shows them is read again, and earlier trials say nothing any more. */
import { useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';

export function useLettersChanged(): () => void {
  const queries = useQueryClient();
  return useCallback(() => {
    queries.setQueriesData({ queryKey: ['try'] }, null);
    void queries.invalidateQueries({ queryKey: ['dead-letters'] });
    void queries.invalidateQueries({ queryKey: ['parked-keys'] });
  }, [queries]);
}
