/** For tests of what is said of a search: every part of it could be read. */
import type { Found } from '../../../../relay/operations/find-event/found.ts';

export const allRead: Found['missing'] = {
  rows: null,
  letters: null,
  status: null,
  findings: null,
  replays: null,
  removals: null,
  records: null,
  schemas: null,
};
