/** Builds the pages into static files: `npm run build:console`. */
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const folder = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Styles of a screen count within it only: they stay loaded when a person goes to another. `app.tsx` names the screen. */
const screenStyles: Plugin = {
  name: 'screen-styles',
  enforce: 'pre',
  transform(code, id) {
    const screen = /\/screens\/([\w-]+)\/[\w-]+\.css$/.exec(id.replaceAll('\\', '/'))?.[1];
    return screen === undefined ? undefined : { code: `[data-screen="${screen}"] {\n${code}\n}`, map: null };
  },
};

export default defineConfig(({ command }) => {
  // Whatever the shell says: a build for development is slow, larger, and holds the paths of the machine.
  if (command === 'build') process.env.NODE_ENV = 'production';
  return {
    root: folder('web'),
    // The server writes the base of the page, which depends on its path prefix.
    base: './',
    plugins: [screenStyles, react()],
    build: {
      outDir: folder('dist'),
      emptyOutDir: true,
      // Every browser of the last two years.
      target: 'es2023',
      // A file of its own for each: the policy of the page allows no content inside attributes.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
    // The server of the console answers the API: `npm run outbox-relay -- console` beside `npx vite console`.
    server: { proxy: { '/api': 'http://127.0.0.1:9467' } },
  };
});
