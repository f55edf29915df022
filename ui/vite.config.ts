import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import tailwindcss from '@tailwindcss/vite'
import { defineConfig } from 'vitest/config'

// MILLRACE_URL is the server that the development page talks to.
const server = process.env['MILLRACE_URL'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2022',
    cssTarget: 'chrome120',
    assetsInlineLimit: 0, // the policy allows no data: scripts and fonts
    emptyOutDir: false, // dist/README.txt is in git; scripts/clean.mjs empties the rest
    manifest: 'manifest.json',
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  worker: { format: 'es' },
  server: {
    proxy: {
      '/api': { target: server, changeOrigin: true, headers: { origin: server } },
      '/readyz': { target: server, changeOrigin: true },
    },
  },
  test: {
    // One world for all files: making a document anew for each takes longer than the tests.
    isolate: false,
    maxWorkers: 2,
    environment: 'jsdom',
    setupFiles: ['src/test.setup.ts'],
    include: ['src/**/*.test.{ts,tsx}'],
    // On a machine that does other things too.
    testTimeout: 30_000,
    restoreMocks: true,
    unstubGlobals: true,
  },
})
