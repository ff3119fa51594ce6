/**
 * What a release does beside building: it checks that tag, package, chart and changelog have one version and that the place
 * where it is published is named (`place.ts`), names the image in the chart, and takes the notes from the changelog. Uses Node alone, since the last job of the workflow installs nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesOfPlace, placeFaults, placeOf, publishedFiles, withPlace } from './place.ts';

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

/** The values of the chart with the image of a release. */
export function withImage(values: string, repository: string, digest: string): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new Error(`${digest} is not a digest`);
  // Names of images are in lower case, those of repositories need not be.
  return values
    .replace(/^( {2}repository: ).*$/m, (_, key: string) => `${key}${repository.toLowerCase()}`)
    .replace(/^( {2}digest: ).*$/m, (_, key: string) => `${key}${digest}`);
}

function main([what, first = '', second = '']: readonly string[]): void {
  const read = (file: string) => readFileSync(join(root, file), 'utf8');
  const texts = () =>
    new Map([...filesOfPlace, ...publishedFiles].map((file) => [file as string, read(file)] as const));
  /** The workflow runs in the place that it publishes for: npm refuses another one, after the rest is done. */
  const elsewhere = () => {
    const [here, place] = [process.env.GITHUB_REPOSITORY, placeOf(read('package.json'))];
    return here === undefined || here === place ? [] : [`package.json names ${place}, but this is ${here}`];
  };
  if (what === 'check') {
    const sources = {
      manifest: read('package.json'),
      chart: read(`${chart}/Chart.yaml`),
      changelog: read('CHANGELOG.md'),
    };
    const faults = [...faultsOf(first, sources), ...placeFaults(texts()), ...elsewhere()];
    for (const fault of faults) console.error(`error: ${fault}`);
    process.exitCode = faults.length > 0 ? 1 : 0;
  } else if (what === 'place' && first === '') {
    const faults = placeFaults(texts());
    for (const fault of faults) console.error(`error: ${fault}`);
    if (faults.length > 0) console.error('Name the place with: node deploy/release.ts place <owner>/<name>');
    process.exitCode = faults.length > 0 ? 1 : 0;
  } else if (what === 'place') {
    const before = placeOf(read('package.json'))!;
    for (const file of filesOfPlace) writeFileSync(join(root, file), withPlace(read(file), before, first));
  } else if (what === 'image') {
    writeFileSync(join(root, chart, 'values.yaml'), withImage(read(`${chart}/values.yaml`), first, second));
  } else if (what === 'notes') {
    console.log(notesOf(first.replace(/^v/, ''), read('CHANGELOG.md')) ?? '');
  } else {
    console.error(
      'usage: node deploy/release.ts check <tag> | place [<owner>/<name>] | image <repository> <digest> | notes <tag>',
    );
    process.exitCode = 64;
  }
}

if (import.meta.main) main(process.argv.slice(2));
