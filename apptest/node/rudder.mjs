// Sends every call type through the published @rudderstack/rudder-sdk-node.
import { createRequire } from 'node:module';
import { calls } from './calls.mjs';

const Analytics = createRequire(import.meta.url)('@rudderstack/rudder-sdk-node');
const [dataPlaneUrl, writeKey] = process.argv.slice(2);
const analytics = new Analytics(writeKey, { dataPlaneUrl, flushAt: 1, gzip: true, logLevel: 'error' });
const sent = calls('rudder');
for (const { type, timestamp, ...rest } of sent) {
  const message = { ...rest, originalTimestamp: timestamp }; // what this SDK calls it
  await new Promise((resolve, reject) => analytics[type](message, (err) => (err ? reject(err) : resolve())));
}
await analytics.flush();
console.log(JSON.stringify(sent));
process.exit(0);
