// Runs before the first paint, so that the chosen theme never flashes the other.
(() => {
  let theme = 'system'
  try {
    theme = JSON.parse(localStorage.getItem('millrace.theme') || '"system"')
  } catch {
    // Storage may be off: the system's theme it is.
  }
  const dark = theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.dataset.theme = dark ? 'dark' : 'light'
})()
