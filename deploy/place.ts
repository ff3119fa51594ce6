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
  // Each alert links to its page there.
  'deploy/prometheus/outbox-relay.rules.yaml',
  'deploy/prometheus/outbox-relay.test.yaml',
  'deploy/helm/outbox-relay/files/outbox-relay.rules.yaml',
  'deploy/helm/outbox-relay/templates/monitors.yaml',
  'deploy/helm/outbox-relay/values.yaml',
  'deploy/helm/outbox-relay/README.md',
  'docs/guides/monitoring.md',
] as const;

/** What stands before the name of a place, and that name: as an address, an image, an action, and for `gh`. */
const named =
  /((?:github\.com|ghcr\.io)\/|(?<![\w-])uses: |--repo[ =])([\w.-]+\/(?:(?!\.git(?![\w.-]))[\w.-])*[\w-])/gi;

/** Files that users get, beside those. */
export const publishedFiles = ['README.md', 'CHANGELOG.md', 'action.yml', 'Dockerfile'] as const;

/** An owner that nobody is. */
const placeholder = /(?<![\w-])OWNER\//;
/** As GitHub takes them. */
const legal = /^[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){0,38}\/(?!.*\.(?:git)?$)[a-z0-9._-]{1,100}$/i;

/** As `owner/name` on GitHub; undefined where package.json names none. */
export function placeOf(manifest: string): string | undefined {
  const url: unknown = JSON.parse(manifest).repository?.url;
  const [, place] = /^git\+https:\/\/github\.com\/([^/]+\/[^/]+)\.git$/.exec(String(url)) ?? [];
  return place;
}

/** @param texts by file @returns one line for each file that has a placeholder, or another place than package.json */
export function placeFaults(texts: ReadonlyMap<string, string>): string[] {
  const place = placeOf(texts.get('package.json') ?? '{}');
  if (place === undefined)
    return ['package.json: repository.url must be git+https://github.com/<owner>/<name>.git'];
  return [...texts].flatMap(([file, text]) => {
    const lines = text.split('\n');
    const holders = placesOf(lines, (line) => placeholder.test(line));
    const others = placesOf(lines, (line) => !placeholder.test(line) && namesOther(line, place));
    return [
      ...holders.map(
        ({ at, rest, line }) => `${file}:${at} has a placeholder${rest}: ${line.trim().slice(0, 100)}`,
      ),
      ...others.map(
        ({ at, rest }) => `${file}:${at} names another place than ${place} in package.json${rest}`,
      ),
    ];
  });
}

/** The first line that is one, and how many more are. */
function placesOf(lines: readonly string[], isOne: (line: string) => boolean) {
  const found = lines.flatMap((line, index) => (isOne(line) ? [{ at: index + 1, line }] : []));
  const rest = found.length > 1 ? ` (${found.length - 1} more in the file)` : '';
  return found.slice(0, 1).map((first) => ({ ...first, rest }));
}

/** Whether a line has the place of another copy of this project. */
function namesOther(line: string, place: string): boolean {
  const [, name] = place.split('/');
  const places = [...line.matchAll(named)].map(([, , each]) => each!);
  return places.some((each) => each.endsWith(`/${name}`) && each !== place);
}

/** Why nobody can publish there; undefined where somebody can. */
export function placeFault(place: string): string | undefined {
  if (placeholder.test(place)) return `${place} is the placeholder: name the place where you publish`;
  return legal.test(place) ? undefined : `"${place}" is not a place on GitHub such as acme/outbox-relay`;
}

/** The text of one of `filesOfPlace` with another place. A path such as docs/guides may have the same letters. */
export const withPlace = (text: string, from: string, to: string): string =>
  text.replace(named, (whole, before: string, place: string) => (place === from ? before + to : whole));
