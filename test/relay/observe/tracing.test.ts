import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const relay = join(import.meta.dirname, '..', '..', '..', 'relay');

/** Names of OpenTelemetry's packages that a process has loaded after it has imported some files of the relay. */
async function packagesLoadedBy(...files: string[]): Promise<string[]> {
  const script = `
    import { createRequire } from 'node:module';
    for (const file of ${JSON.stringify(files.map((file) => join(relay, file)))}) await import(file);
    const paths = Object.keys(createRequire(${JSON.stringify(relay)} + '/').cache);
    console.log(JSON.stringify(paths.flatMap((path) => path.match(/@opentelemetry\\/[a-z-]+/) ?? [])));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  return [...new Set<string>(JSON.parse(stdout))];
}

test('without traces the relay does not load the SDK of OpenTelemetry', async () => {
  // prom-client loads the API, which is small.
  expect(await packagesLoadedBy('operations/run.ts')).toEqual(['@opentelemetry/api']);
  expect(await packagesLoadedBy('observe/trace-exporter.ts')).toContain('@opentelemetry/sdk-trace-base');
});
