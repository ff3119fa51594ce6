/**
 * What a release does beside building: it checks that tag, package, chart and changelog have one version and that the place
 * where it is published is named (`place.ts`), names the image in the chart, and takes the notes from the changelog. Uses Node alone, since the last job of the workflow installs nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesOfPlace, placeFault, placeFaults, placeOf, publishedFiles, withPlace } from './place.ts';

const root = join(import.meta.dirname, '..');
const chart = 'deploy/helm/outbox-relay';

export type Sources = { readonly manifest: string; readonly chart: string; readonly changelog: string };

/** @returns why the tag cannot be released; empty where it can */
export function faultsOf(tag: string, { manifest, chart, changelog }: Sources): string[] {
  const [, version] = /^v(\d+\.\d+\.\d+)$/.exec(tag) ?? [];
  if (version === undefined) return [`${tag} is not a tag such as v1.2.3`];
  const { version: packaged, private: isPrivate } = JSON.parse(manifest);
  const [, charted] = /^version: (.*)$/m.exec(chart) ?? [];
  const [, app] = /^appVersion: (.*)$/m.exec(chart) ?? [];
  return [
    ...(packaged === version ? [] : [`package.json has version ${packaged}, not ${version}`]),
    ...(isPrivate ? ['package.json is private, so npm would refuse to publish it'] : []),
    ...(charted === version && app === version
      ? []
      : [`Chart.yaml has ${charted} and ${app}, not ${version}`]),
    ...(notesOf(version, changelog) === undefined ? [`CHANGELOG.md has no section for ${version}`] : []),
  ];
}

/** The section of a version, without its heading. */
export function notesOf(version: string, changelog: string): string | undefined {
  const sections = changelog.split(/^## /m).slice(1);
  const found = sections.find((section) => section.startsWith(`[${version}]`));
  return found?.slice(found.indexOf('\n') + 1).trim();
}

/** @returns why it cannot be the image of a release; undefined where it can */
export function imageFault(repository: string, digest: string): string | undefined {
  if (!/^[\w.-]+(?::\d+)?(?:\/[\w.-]+)+$/.test(repository))
    return `"${repository}" is not a repository of images such as ghcr.io/acme/outbox-relay`;
  return /^sha256:[0-9a-f]{64}$/.test(digest) ? undefined : `"${digest}" is not a digest such as sha256:…`;
}

/** The values of the chart with the image of a release. */
export function withImage(values: string, repository: string, digest: string): string {
  // Names of images are in lower case, those of repositories need not be.
  return values
    .replace(/^( {2}repository: ).*$/m, (_, key: string) => `${key}${repository.toLowerCase()}`)
    .replace(/^( {2}digest: ).*$/m, (_, key: string) => `${key}${digest}`);
}

const usage =
  'usage: node deploy/release.ts check <tag> | place [<owner>/<name>] | image <repository> <digest> | notes <tag>';

/** Prints them. @returns whether there are any */
function stopsAt(faults: readonly (string | undefined)[], exitCode = 1): boolean {
  const found = faults.filter((fault) => fault !== undefined);
  for (const fault of found) console.error(`error: ${fault}`);
  if (found.length > 0) process.exitCode = exitCode;
  return found.length > 0;
}

const invalid = 64;
/** Arguments that each of them takes at most. */
const takes: Readonly<Record<string, number>> = { check: 1, place: 1, image: 2, notes: 1 };

function main([what = '', ...given]: readonly string[]): void {
  const [first = '', second = ''] = given;
  const read = (file: string) => readFileSync(join(root, file), 'utf8');
  const texts = () =>
    new Map([...filesOfPlace, ...publishedFiles].map((file) => [file as string, read(file)] as const));
  /** The workflow runs in the place that it publishes for: npm refuses another one, after the rest is done. */
  const elsewhere = () => {
    const [here, place] = [process.env.GITHUB_REPOSITORY, placeOf(read('package.json'))];
    return here === undefined || here === place ? [] : [`package.json names ${place}, but this is ${here}`];
  };
  if (given.length > (takes[what] ?? -1)) {
    console.error(usage);
    process.exitCode = invalid;
  } else if (what === 'check') {
    const sources = {
      manifest: read('package.json'),
      chart: read(`${chart}/Chart.yaml`),
      changelog: read('CHANGELOG.md'),
    };
    stopsAt([...faultsOf(first, sources), ...placeFaults(texts()), ...elsewhere()]);
  } else if (what === 'place' && given.length === 0) {
    if (stopsAt(placeFaults(texts())))
      console.error('Name the place with: node deploy/release.ts place <owner>/<name>');
  } else if (what === 'place') {
    const before = placeOf(read('package.json'));
    const faults = [placeFault(first), before === undefined ? placeFaults(texts())[0] : undefined];
    if (stopsAt(faults, invalid)) return;
    // All of them, before one is written.
    const changed = filesOfPlace.map((file) => [file, withPlace(read(file), before!, first)] as const);
    for (const [file, text] of changed) writeFileSync(join(root, file), text);
  } else if (what === 'image') {
    if (stopsAt([imageFault(first, second)], invalid)) return;
    writeFileSync(join(root, chart, 'values.yaml'), withImage(read(`${chart}/values.yaml`), first, second));
  } else {
    console.log(notesOf(first.replace(/^v/, ''), read('CHANGELOG.md')) ?? '');
  }
}

if (import.meta.main) main(process.argv.slice(2));
