// Names that people store, and that a page must show as they are: none of them may run, load, or break out of where it stands.
export const payloads = [
  '<script>window.stolen = 1</script>',
  '<img src=x onerror="window.stolen = 1">',
  '"><svg onload=window.stolen=1>',
  "'-window.stolen=1-'",
  'javascript:window.stolen=1',
  '{{constructor.constructor("window.stolen=1")()}}',
  '${window.stolen=1}',
  '</title><script>window.stolen=1</script>',
  '<a href="javascript:window.stolen=1">click</a>',
  '<iframe srcdoc="<script>parent.stolen=1</script>">',
  '<style>*{display:none}</style>',
  '<base href="https://attacker.example/">',
  '<meta http-equiv="refresh" content="0;url=https://attacker.example/">',
  '<form action="https://attacker.example/"><button>Sign in</button></form>',
  '__proto__',
  'a very long name '.repeat(8).trim(),
]

/** calm fails when anything of a payload has come to life. */
export async function calm(tab, where) {
  const seen = await tab.page.evaluate(() => ({
    stolen: window.stolen !== undefined,
    odd: [...document.querySelectorAll('script:not([src]), iframe, base, meta[http-equiv=refresh], form[action*="//"], a[href^="javascript:"], img[onerror], body style')].map((e) => e.outerHTML.slice(0, 120)),
    here: location.host,
  }))
  if (seen.stolen || seen.odd.length > 0) throw new Error(`${where}: a stored name came to life: ${JSON.stringify(seen)}`)
}
