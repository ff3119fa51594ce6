/**
 * `npm run image`: builds the image with Docker, Podman or buildah, whichever is there. What stands behind `--` goes to the
 * builder unchanged, such as `--build-arg NODE=…` or `--platform`.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '../..');

/** The first that works is used. A Docker client without an engine is no builder. */
const builders: readonly { readonly asks: readonly string[]; readonly builds: readonly string[] }[] = [
  { asks: ['docker', 'version'], builds: ['docker', 'build'] },
  { asks: ['podman', 'info'], builds: ['podman', 'build', '--format', 'docker'] },
  // The format of Docker, since that of OCI has no health check.
  { asks: ['buildah', 'info'], builds: ['buildah', 'build', '--format', 'docker'] },
];

function run([command, ...args]: readonly string[], stdio: 'inherit' | 'ignore'): Promise<number> {
  const child = spawn(command!, args, { cwd: root, stdio });
  return new Promise((resolve) => {
    child.once('error', () => resolve(127));
    child.once('close', (code) => resolve(code ?? 70));
  });
}

async function findBuilder(): Promise<readonly string[] | undefined> {
  const { IMAGE_BUILDER: wanted } = process.env;
  for (const { asks, builds } of builders)
    if ((wanted === undefined || wanted === builds[0]) && (await run(asks, 'ignore')) === 0) return builds;
  return undefined;
}

const builder = await findBuilder();
if (builder === undefined) {
  console.error(
    'error: an image is built by Docker with its engine, by Podman or by buildah; none of them works here',
  );
  process.exitCode = 69;
} else {
  const name = ['--tag', 'outbox-relay', '--tag', `outbox-relay:${manifest.version}`];
  const version = ['--build-arg', `VERSION=${manifest.version}`];
  process.exitCode = await run([...builder, ...name, ...version, ...process.argv.slice(2), '.'], 'inherit');
}
