/**
 * Owns where the project is published: `repository` in package.json names it, and every other file that does must agree.
 * npm resolves the relative links of the README by it, and checks the provenance of the package against it. Until somebody
 * publishes the project, the place has an owner that nobody is, and nothing can be released. Uses Node alone.
 */

/** Files that name the place. npm takes it from package.json, the image from the workflow's own repository. */
export const filesOfPlace = [
  'package.json',
  'SECURITY.md',
  'deploy/helm/outbox-relay/Chart.yaml',
  'docs/guides/schemas.md',
] as const;

/** Files that users get, beside those. */
export const publishedFiles = ['README.md', 'CHANGELOG.md', 'action.yml', 'Dockerfile'] as const;

/** An owner that nobody is. */
const nobody = 'OWNER';
const legal = /^[A-Za-z0-9][A-Za-z0-9-]{0,38}\/[A-Za-z0-9._-]{1,100}$/;

/** As `owner/name` on GitHub; undefined where package.json names none. */
export function placeOf(manifest: string): string | undefined {
  const url: unknown = JSON.parse(manifest).repository?.url;
  const [, place] = /^git\+https:\/\/github\.com\/([^/]+\/[^/]+)\.git$/.exec(String(url)) ?? [];
  return place;
}

/** @param texts by file @returns one line for each that is not there, or is not the place of package.json */
export function placeFaults(texts: ReadonlyMap<string, string>): string[] {
  const place = placeOf(texts.get('package.json') ?? '{}');
  if (place === undefined)
    return ['package.json: repository.url must be git+https://github.com/<owner>/<name>.git'];
  const faults: string[] = [];
  for (const [file, text] of texts)
    text.split('\n').forEach((line, index) => {
      const where = `${file}:${index + 1}`;
      if (line.includes(`${nobody}/`))
        faults.push(`${where} has a placeholder: ${line.trim().slice(0, 100)}`);
      else if (namesOther(line, place))
        faults.push(`${where} names another place than ${place} in package.json`);
    });
  return faults;
}

/** Whether a line has the place of another copy of this project. */
function namesOther(line: string, place: string): boolean {
  const [, name] = place.split('/');
  const named = [...line.matchAll(/(?:github\.com|ghcr\.io|--repo|uses:)[/ ]([\w.-]+\/[\w-]+)/g)].map(
    ([, each]) => each!,
  );
  return named.some((each) => each.endsWith(`/${name}`) && each !== place);
}

/** The text of one of `filesOfPlace` with another place. */
export function withPlace(text: string, from: string, to: string): string {
  if (!legal.test(to)) throw new Error(`${to} is not a place such as acme/outbox-relay`);
  return text.replaceAll(from, to);
}
