/** Owns fetching Java programs: once per content of a POM, into the cache folder, with Maven. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from './cache.ts';
import { fillOnce } from './fill-once.ts';
import { dockerRuns, missingJava, missingMaven } from './java.ts';
import type { Progress } from './progress.ts';
import { type Run, startFailure } from './run.ts';

/** Where the servers come from: `jars`, run by the machine's Java, or `docker`, their public images. */
export type ServerSource =
  | {
      readonly kind: 'jars';
      readonly kafkaClassPath: string;
      /** Where a folder that this Kafka has formatted is kept. */
      readonly kafkaFormat: string;
      /** Begins the path of the archive of its classes. */
      readonly kafkaClasses: string;
      readonly registryJar: string;
    }
  | { readonly kind: 'docker' };

/** A POM that copies what it names to `fetch.to` in the phase `generate-resources`. */
export type Fetch = {
  readonly pomFile: string;
  /** Begins the folder's name in the cache. */
  readonly name: string;
  /** For people: what is fetched. */
  readonly what: string;
  /** Of Maven's repository and of what is copied out of it, as measured. */
  readonly expectedMegabytes: number;
  /** Properties of the POM that the environment may set: variable, property. */
  readonly versions: Readonly<Record<string, string>>;
};

const servers: Fetch = {
  pomFile: path.join(import.meta.dirname, 'pom.xml'),
  name: 'servers',
  what: 'Kafka and the schema registry',
  expectedMegabytes: 214 + 199,
  versions: { KAFKA_VERSION: 'kafka.version' },
};

export const kafkaVersion = (): Promise<string> => versionOf(servers, 'kafka.version');

/** The same versions where Docker runs them; the tests compare all places that name an image with these. */
export async function images(): Promise<{ readonly kafka: string; readonly registry: string }> {
  return {
    kafka: `apache/kafka:${await kafkaVersion()}`,
    registry: `apicurio/apicurio-registry-mem:${await versionOf(servers, 'registry.version')}`,
  };
}

let found: Promise<ServerSource> | undefined;

/**
 * Fetches the servers if they are not there yet. Calls within one process share one fetch.
 * @throws with one line that says what to install when there is neither Java and Maven nor Docker.
 */
export function serverSource(onProgress?: Progress): Promise<ServerSource> {
  found ??= find(onProgress).catch((error) => {
    found = undefined;
    throw error;
  });
  return found;
}

async function find(onProgress?: Progress): Promise<ServerSource> {
  const folder = await folderOf(servers);
  const missing = (await missingJava()) ?? (existsSync(folder) ? undefined : await missingMaven());
  if (missing === undefined) return jarsIn(await fetched(servers, onProgress));
  if (await dockerRuns()) return { kind: 'docker' };
  throw new Error(`${missing}, or start a Docker engine`);
}

/** The folder with what the POM names, fetched if it is not there yet. @throws with the end of Maven's log */
export async function fetched(wanted: Fetch, onProgress?: Progress): Promise<string> {
  const folder = await folderOf(wanted);
  await fillOnce(folder, wanted.what, (run, target) => fetch(run, target, wanted, onProgress), onProgress);
  return folder;
}

async function folderOf(wanted: Fetch): Promise<string> {
  const key = createHash('sha256')
    .update(await readFile(wanted.pomFile))
    .update(versionArguments(wanted).join(' '))
    .digest('hex')
    .slice(0, 12);
  return path.join(cacheFolder(), `${wanted.name}-${key}`);
}

/** For Maven: `-Dkafka.version=4.2.1`, where the environment names another version than the POM. */
function versionArguments({ versions }: Fetch): string[] {
  return Object.entries(versions).flatMap(([variable, property]) => {
    const version = process.env[variable];
    return version ? [`-D${property}=${version}`] : [];
  });
}

/** The version that is fetched: of the environment, or of the POM. @param property as `kafka.version` */
export async function versionOf({ pomFile, versions }: Fetch, property: string): Promise<string> {
  const variable = Object.keys(versions).find((name) => versions[name] === property);
  const wanted = variable === undefined ? undefined : process.env[variable];
  if (wanted) return wanted;
  const found = new RegExp(`<${property}>(.+)</${property}>`).exec(await readFile(pomFile, 'utf8'));
  if (found === null) throw new Error(`${pomFile} has no property ${property}`);
  return found[1]!;
}

async function jarsIn(folder: string): Promise<ServerSource> {
  const registry = path.join(folder, 'registry');
  const runner = (await readdir(registry)).find((name) => name.endsWith('-runner.jar'));
  if (runner === undefined) throw new Error(`no runner jar in ${registry}: delete ${folder} and start again`);
  return {
    kind: 'jars',
    kafkaClassPath: path.join(folder, 'kafka', '*'),
    kafkaFormat: `${folder}-format`,
    kafkaClasses: `${folder}-classes`,
    registryJar: path.join(registry, runner),
  };
}

async function fetch(run: Run, target: string, wanted: Fetch, onProgress?: Progress): Promise<void> {
  const { pomFile, what } = wanted;
  const properties = [
    `-Dmaven.repo.local=${path.join(run.dir, 'repository')}`,
    `-Dfetch.to=${target}`,
    ...versionArguments(wanted),
  ];
  onProgress?.(`downloading ${what} with Maven (first time only)`);
  const maven = run.start({
    name: 'maven',
    command: 'mvn',
    args: ['-B', '-ntp', '-q', '-f', pomFile, ...properties, 'generate-resources'],
  });
  const timer = setInterval(() => void report(run.dir, wanted, onProgress), 2_000);
  const how = await maven.exited;
  clearInterval(timer);
  if (how !== 'exit code 0') throw startFailure(maven, `could not download ${what} (${how})`);
  onProgress?.(`downloaded ${what}`);
}

async function report(folder: string, wanted: Fetch, onProgress?: Progress): Promise<void> {
  const bytes = await sizeOf(folder).catch(() => undefined); // files move under our eyes
  if (bytes === undefined) return;
  const megabytes = Math.round(bytes / 1e6);
  onProgress?.(`downloading ${wanted.what}: ${megabytes} of about ${wanted.expectedMegabytes} MB`);
}

async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(path.join(file.parentPath, file.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
