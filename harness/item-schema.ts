/** The schema of the events that worlds of tests, chaos and hostile rows write. */
export const itemSchema = {
  type: 'record',
  name: 'ItemMoved',
  namespace: 'test',
  fields: [
    { name: 'key', type: 'string' },
    { name: 'seq', type: 'long' },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
} as const;
