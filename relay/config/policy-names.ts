/** What is to become of a refused event, by topic; `refusals/` says what each one does. */
export const policies = ['dead-letter', 'park-key', 'halt'] as const;
export type Policy = (typeof policies)[number];
