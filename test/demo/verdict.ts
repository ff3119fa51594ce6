/** What a verdict counts as faults, with none of them. */
export const noFaults = {
  missing: 0,
  duplicates: 0,
  leaked: 0,
  orderViolations: 0,
  undecodable: 0,
  altered: 0,
  misplaced: 0,
};
