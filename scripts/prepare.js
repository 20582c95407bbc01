// Runs after `npm ci`, and bundles the playground and the page. In a production install, which has no bundler, it does
// nothing: images contain the bundles. It is plain JavaScript, because the installed Node may be too old for
// TypeScript.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const configs = ['gateway/playground', 'web'].map((folder) => new URL(`../${folder}/vite.config.js`, import.meta.url));
const bundler = new URL('../node_modules/vite/package.json', import.meta.url);
if (existsSync(bundler)) {
  const { build } = await import('vite');
  for (const config of configs)
    if (existsSync(config)) {
      await build({ configFile: fileURLToPath(config), logLevel: 'error' });
      compress(new URL('dist/assets/', config));
    }
}

/** Writes a compressed copy of each text file, which the gateway sends to browsers. */
function compress(folder) {
  for (const name of readdirSync(folder).filter((each) => /\.(js|css|svg)$/.test(each)))
    writeFileSync(new URL(`${name}.gz`, folder), gzipSync(readFileSync(new URL(name, folder))));
}
