/** The release that runs, as `package.json` names it. */
import release from '../../package.json' with { type: 'json' };

export const version: string = release.version;
