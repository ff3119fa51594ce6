/**
 * A real browser for tests and pictures: an installed Chromium where there is one, else the one from npm, which runs on
 * Linux x64 without anything installed.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import bundled from '@sparticuz/chromium';
import { type Browser, chromium } from 'playwright-core';

const installedNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const macApplication = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/** Close it at the end. @throws Error where there is no browser that runs here */
export async function startBrowser(): Promise<Browser> {
  const executablePath = installedBrowser() ?? (await bundled.executablePath());
  // Not the arguments that the package proposes: they switch off what the console relies on, such as the same origin.
  return chromium.launch({
    executablePath,
    args,
    headless: true,
    env: { ...process.env, LANG: 'en_US.UTF-8' },
  });
}

/** Of a sandbox in a container there is no use, and of a GPU neither: pages of text and 2D charts need none. */
const args = ['--headless=shell', '--no-sandbox', '--no-zygote', '--disable-gpu', '--disable-dev-shm-usage'];

function installedBrowser(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const candidates = [
    ...folders.flatMap((folder) => installedNames.map((name) => join(folder, name))),
    macApplication,
  ];
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
