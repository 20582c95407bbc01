// Runs after `npm ci`: bundles the playground. Plain JavaScript, because a production install has neither
// the bundler nor, perhaps, a Node that strips types; there the bundle comes with the image.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const config = new URL('../gateway/playground/vite.config.js', import.meta.url);
const bundler = new URL('../node_modules/vite/package.json', import.meta.url);
if (existsSync(config) && existsSync(bundler)) {
  const { build } = await import('vite');
  await build({ configFile: fileURLToPath(config), logLevel: 'error' });
}
