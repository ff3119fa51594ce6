/** Registers schemas without the relay's own client. */

/**
 * Registers a schema and returns its id. @throws with the registry's answer when it refuses.
 * @param schemaType left out for Avro
 */
export async function registerSchema(
  registryUrl: string,
  subject: string,
  schema: object | string,
  schemaType?: string,
): Promise<number> {
  const response = await fetch(`${registryUrl}/subjects/${encodeURIComponent(subject)}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({
      schema: typeof schema === 'string' ? schema : JSON.stringify(schema),
      schemaType,
    }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the registry answered ${response.status}: ${text}`);
  const { id }: { id: number } = JSON.parse(text);
  return id;
}
