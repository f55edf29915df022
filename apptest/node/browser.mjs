// Loads a page with the published snippet in Chromium, its host changed to the
// server's, and makes every call through the browser library that the server
// gives. Prints the requests that were made, as JSON.
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';
import snippet from '@segment/snippet';
import { calls } from './calls.mjs';

const [executablePath, server, writeKey] = process.argv.slice(2);
const { host, protocol } = new URL(server);
const code = snippet.min({ apiKey: writeKey, host, page: false }).replace('"https://', `"${protocol}//`);
const site = createServer((_, response) => {
  response.setHeader('Content-Type', 'text/html');
  response.end(`<!doctype html><title>Shop</title><script>${code}</script>`);
});
await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));

const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
});
try {
  const page = await browser.newPage();
  const urls = [];
  const errors = [];
  page.on('request', (request) => urls.push(request.url()));
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.evaluate(async (sent) => {
    const a = window.analytics;
    await new Promise((resolve) => a.ready(resolve));
    const at = (m) => ({ timestamp: m.timestamp, messageId: m.messageId });
    for (const m of sent) {
      switch (m.type) {
        case 'identify': await a.identify(m.userId, m.traits, at(m)); break;
        case 'track':
          if (m.anonymousId) { a.reset(); a.setAnonymousId(m.anonymousId); }
          await a.track(m.event, m.properties, at(m));
          break;
        case 'page': await a.page(m.category, m.name, m.properties, at(m)); break;
        case 'screen': await a.screen(m.category, m.name, m.properties, at(m)); break;
        case 'group': await a.group(m.groupId, m.traits, at(m)); break;
        case 'alias': await a.alias(m.userId, m.previousId, at(m)); break;
      }
    }
  }, calls('browser').map((m) => ({ ...m, timestamp: m.timestamp.toISOString() })));
  await page.waitForLoadState('networkidle');
  await page.waitForTimeout(500);
  console.log(JSON.stringify({ urls, errors }));
} finally {
  await browser.close();
  site.close();
}
