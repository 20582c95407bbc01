import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// This file is plain JavaScript. `npm ci` runs it, possibly with a version of Node that does not run TypeScript.
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/page/',
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    reportCompressedSize: false,
    // No asset is inlined, because the Content-Security-Policy allows no `data:` URLs.
    assetsInlineLimit: 0,
  },
  // With `npm run dev -w @voucher-gateway/web`, Vite serves the page. It forwards `/graphql` and `/receivers` to a
  // gateway on port 8080.
  server: { proxy: Object.fromEntries(['/graphql', '/receivers'].map((path) => [path, gateway(path)])) },
});

function gateway(path) {
  return { target: 'http://127.0.0.1:8080', ws: path === '/graphql' };
}
