// Runs after `npm ci`: bundles the playground and the page. Plain JavaScript, because a production install has neither
// the bundler nor, perhaps, a Node that strips types; there the bundles come with the image.
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

/** Writes a compressed copy beside each text, which the gateway sends to browsers. */
function compress(folder) {
  for (const name of readdirSync(folder).filter((each) => /\.(js|css|svg)$/.test(each)))
    writeFileSync(new URL(`${name}.gz`, folder), gzipSync(readFileSync(new URL(name, folder))));
}
