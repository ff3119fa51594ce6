import { expect, test } from 'vitest';
import { schemasOf } from '../../../deploy/tools/operator-schemas.ts';

test('a definition becomes a schema a version, which allows no field that it does not name', () => {
  const definition = `
    spec:
      names: { kind: PodMonitor }
      versions:
        - name: v1
          schema:
            openAPIV3Schema:
              description: a monitor
              type: object
              properties:
                metadata: { type: object }
                description: { type: string, description: a field of that name }
                spec:
                  type: object
                  properties:
                    labels: { type: object, additionalProperties: { type: string } }
                    free: { type: object, properties: {}, x-kubernetes-preserve-unknown-fields: true }
  `;
  expect(schemasOf(definition)).toEqual([
    [
      'podmonitor_v1.json',
      {
        type: 'object',
        additionalProperties: false,
        properties: {
          metadata: { type: 'object' },
          description: { type: 'string' },
          spec: {
            type: 'object',
            additionalProperties: false,
            properties: {
              labels: { type: 'object', additionalProperties: { type: 'string' } },
              free: { type: 'object', properties: {}, 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
      },
    ],
  ]);
});
