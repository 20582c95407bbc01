import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Plain JavaScript, because any version of Node may run it during `npm ci`.
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/page/',
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    reportCompressedSize: false,
    // A `data:` URL in a style would be another source for the Content-Security-Policy.
    assetsInlineLimit: 0,
  },
  // `npm run dev -w @voucher-gateway/web` serves the page by itself, beside a gateway on its usual port.
  server: { proxy: Object.fromEntries(['/graphql', '/receivers'].map((path) => [path, gateway(path)])) },
});

function gateway(path) {
  return { target: 'http://127.0.0.1:8080', ws: path === '/graphql' };
}
