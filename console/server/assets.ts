/** Owns the built pages: read once at the start, so that a read-only file system is enough and no path leads elsewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { packageRoot } from '../../relay/config/package-root.ts';
import { RelayError } from '../../relay/errors.ts';

export type Asset = {
  readonly type: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly gzip: Uint8Array<ArrayBuffer>;
  readonly brotli: Uint8Array<ArrayBuffer>;
};

export type Assets = {
  /** index.html, with places for the base and the nonce. */
  readonly page: string;
  /** By path below the prefix, such as `assets/index-C2fd.js`. */
  readonly files: ReadonlyMap<string, Asset>;
};

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

export const builtFolder = join(packageRoot, 'console', 'dist');

/** @throws RelayError CONFIG_INVALID where the pages were not built */
export function loadAssets(folder = builtFolder): Assets {
  const page = join(folder, 'index.html');
  if (!existsSync(page))
    throw new RelayError(
      'CONFIG_INVALID',
      'the pages of the console are not built: run `npm ci && npm run build:console` in the checkout; the package and the image hold them',
    );
  const files = readdirSync(join(folder, 'assets')).flatMap((name): [string, Asset][] => {
    const path = `assets/${name}`;
    const type = types[extname(path)];
    if (type === undefined) return [];
    const plain = new Uint8Array(readFileSync(join(folder, path)));
    return [
      [
        path,
        {
          type,
          plain,
          gzip: new Uint8Array(gzipSync(plain)),
          brotli: new Uint8Array(brotliCompressSync(plain)),
        },
      ],
    ];
  });
  return { page: readFileSync(page, 'utf8'), files: new Map(files) };
}
