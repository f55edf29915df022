// Sends every call type through the published @segment/analytics-node.
import { Analytics } from '@segment/analytics-node';
import { calls } from './calls.mjs';

const [host, writeKey] = process.argv.slice(2);
const analytics = new Analytics({ host, writeKey, flushAt: 3, maxRetries: 5 });
const errors = [];
analytics.on('error', (err) => errors.push(err));
const sent = calls('segment');
for (const { type, ...message } of sent) analytics[type](message);
await analytics.closeAndFlush({ timeout: 20_000 });
if (errors.length) {
  console.error(errors);
  process.exit(1);
}
console.log(JSON.stringify(sent));
