// Runs the scenes of one play against a running Millrace:
//
//   node e2e/run.mjs '{"play": "shop", "url": "http://127.0.0.1:8080", "chromium": "/usr/bin/chromium", "folder": "/tmp/pictures"}'
//
// Each scene is a line of JSON on the standard output. "only" chooses scenes.
import { launch, Play } from './browser.mjs'

const given = JSON.parse(process.argv[2] ?? '{}')
const plays = { shop: () => import('./shop.mjs'), start: () => import('./start.mjs'), login: () => import('./login.mjs'), sources: () => import('./sources.mjs'), warehouse: () => import('./warehouse.mjs'), settings: () => import('./settings.mjs'), people: () => import('./people.mjs'), workspaces: () => import('./workspaces.mjs'), ways: () => import('./ways.mjs'), handy: () => import('./handy.mjs'), versions: () => import('./versions.mjs') }
const { scenes } = await plays[given.play]()
const browser = await launch(given.chromium ?? '/usr/bin/chromium')
try {
  await scenes(new Play({ browser, base: given.url, folder: given.folder, only: given.only }), given)
} finally {
  await browser.close()
}
