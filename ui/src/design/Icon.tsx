const paths = {
  home: 'M2.5 7.2 8 2.7l5.5 4.5v6a.8.8 0 0 1-.8.8h-2.9V10H6.2v4H3.3a.8.8 0 0 1-.8-.8z',
  source: 'M8 10V2.5M5 5.3 8 2.3l3 3M2.5 9.5v3a1 1 0 0 0 1 1h9a1 1 0 0 0 1-1v-3',
  live: 'M1.5 8.5h2.7l2-5.5 3.3 10 2-4.5h3',
  rejected: 'M8 5v3.5M8 11v.1M8 1.8 14.5 13.5h-13z',
  warehouse: 'M2.5 4c0-1.1 2.5-2 5.5-2s5.5.9 5.5 2-2.5 2-5.5 2-5.5-.9-5.5-2zM2.5 4v8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2V4M2.5 8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2',
  project: 'M1.8 12.5v-9a.7.7 0 0 1 .7-.7h3.6l1.4 1.7h6a.7.7 0 0 1 .7.7v7.3a.7.7 0 0 1-.7.7h-11a.7.7 0 0 1-.7-.7z',
  status: 'M8 14.2A6.2 6.2 0 1 1 8 1.8a6.2 6.2 0 0 1 0 12.4zM5.2 8.2l2 2 3.6-4',
  docs: 'M3 2.2h7l3 3v8.6H3zM9.8 2.2v3.2H13M5.5 8.2h5M5.5 10.7h5',
  search: 'M7 12A5 5 0 1 1 7 2a5 5 0 0 1 0 10zM10.7 10.7 14 14',
  copy: 'M5.5 5.5V3a.8.8 0 0 1 .8-.8H13a.8.8 0 0 1 .8.8v6.7a.8.8 0 0 1-.8.8h-2.5M3 5.5h6.7a.8.8 0 0 1 .8.8V13a.8.8 0 0 1-.8.8H3a.8.8 0 0 1-.8-.8V6.3A.8.8 0 0 1 3 5.5z',
  check: 'M3 8.5 6.5 12 13 4.5',
  cross: 'M3.7 3.7l8.6 8.6M12.3 3.7l-8.6 8.6',
  down: 'M4 6.2 8 10.2l4-4',
  right: 'M6.2 4l4 4-4 4',
  left: 'M9.8 4l-4 4 4 4',
  up: 'M4 9.8 8 5.8l4 4',
  play: 'M4.5 2.8v10.4L13 8z',
  pause: 'M5 3v10M11 3v10',
  stop: 'M4 4h8v8H4z',
  more: 'M3.2 8h.1M8 8h.1M12.8 8h.1',
  sun: 'M8 10.8a2.8 2.8 0 1 1 0-5.6 2.8 2.8 0 0 1 0 5.6zM8 1.3v1.3M8 13.4v1.3M1.3 8h1.3M13.4 8h1.3M3.3 3.3l.9.9M11.8 11.8l.9.9M12.7 3.3l-.9.9M4.2 11.8l-.9.9',
  moon: 'M13.5 9.6A5.8 5.8 0 0 1 6.4 2.5a5.8 5.8 0 1 0 7.1 7.1z',
  system: 'M2 3h12v8H2zM5.5 13.7h5M8 11v2.7',
  clock: 'M8 14.2A6.2 6.2 0 1 1 8 1.8a6.2 6.2 0 0 1 0 12.4zM8 4.5V8l2.3 1.5',
  filter: 'M2 3.5h12M4.5 8h7M6.7 12.5h2.6',
  plus: 'M8 3v10M3 8h10',
  refresh: 'M13.5 8a5.5 5.5 0 1 1-1.7-4M13.5 1.8v2.7h-2.7',
  sql: 'M2 3h12v10H2zM4.7 6.2l2 1.9-2 1.9M8.7 10.2h2.8',
  send: 'M14 2 2 7l4.7 2.3L9 14z',
  key: 'M5.3 13.2a3 3 0 1 1 0-6 3 3 0 0 1 0 6zM7.5 8 13.5 2M11 4.5l1.7 1.7',
  table: 'M2 3h12v10H2zM2 6.3h12M2 9.6h12M6 6.3V13',
  columns: 'M2 3h12v10H2zM6 3v10M10 3v10',
  tray: 'M2 9.5v3a1 1 0 0 0 1 1h10a1 1 0 0 0 1-1v-3h-3.5l-1 1.5h-3l-1-1.5zM2 9.5l2-6.5h8l2 6.5',
  keyboard: 'M1.5 4h13v8h-13zM4 6.5h.1M6.7 6.5h.1M9.3 6.5h.1M12 6.5h.1M4.5 9.5h7',
  download: 'M8 2.5V10M5 7.2l3 3 3-3M2.5 10.5v2a1 1 0 0 0 1 1h9a1 1 0 0 0 1-1v-2',
  link: 'M6.7 9.3a2.7 2.7 0 0 0 3.8 0l2.5-2.5a2.7 2.7 0 0 0-3.8-3.8l-.9.9M9.3 6.7a2.7 2.7 0 0 0-3.8 0L3 9.2A2.7 2.7 0 0 0 6.8 13l.9-.9',
  user: 'M8 8a2.8 2.8 0 1 1 0-5.6A2.8 2.8 0 0 1 8 8zM2.5 13.8c.7-2.6 2.8-3.6 5.5-3.6s4.8 1 5.5 3.6',
  leave: 'M6 2.5H3.3a.8.8 0 0 0-.8.8v9.4a.8.8 0 0 0 .8.8H6M10.5 11l3-3-3-3M13.3 8H6',
  file: 'M3.5 2h6l3 3v9h-9zM9.3 2v3.2h3.2',
  chart: 'M2.5 2v11.5H14M5 10.5l3-3.5 2.3 2L13.5 5',
  broom: 'M13.5 2.5 8.5 7.5M7 6.5 9.5 9c-.5 2.5-2.5 4.5-5 5L2 11.5c.5-2.5 2.5-4.5 5-5z',
  history: 'M2.5 8a5.5 5.5 0 1 0 1.7-4M2.5 1.8v2.7h2.7M8 5v3.2l2 1.3',
  settings: 'M2 4.5h6.8M12.2 4.5H14M10.5 6.2a1.7 1.7 0 1 1 0-3.4 1.7 1.7 0 0 1 0 3.4zM2 11.5h1.8M7.2 11.5H14M5.5 13.2a1.7 1.7 0 1 1 0-3.4 1.7 1.7 0 0 1 0 3.4z',
  eye: 'M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 10a2 2 0 1 1 0-4 2 2 0 0 1 0 4z',
  lock: 'M3.5 7.3h9v6.2h-9zM5.3 7.3V5a2.7 2.7 0 0 1 5.4 0v2.3',
  people: 'M6 7.6a2.4 2.4 0 1 1 0-4.8 2.4 2.4 0 0 1 0 4.8zM1.5 13.2c.5-2.3 2.2-3.3 4.5-3.3s4 1 4.5 3.3M10.8 3a2.3 2.3 0 0 1 0 4.4M12.3 10.2c1.3.5 2 1.5 2.3 3',
  branch: 'M4.5 5.8v4.4M4.5 5.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM4.5 13.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM11.5 5.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM11.5 5.8c0 3-4.5 2-7 4.4',
  release: 'M2.5 5 8 2l5.5 3v6L8 14l-5.5-3zM2.5 5 8 8l5.5-3M8 8v6',
  workspaces: 'M2.5 2.5h4.7v4.7H2.5zM8.8 2.5h4.7v4.7H8.8zM2.5 8.8h4.7v4.7H2.5zM8.8 8.8h4.7v4.7H8.8z',
  archive: 'M2 3h12v3.2H2zM3 6.2h10V13H3zM6.3 8.8h3.4',
} as const

export type IconName = keyof typeof paths

/** An icon beside a word or inside a labelled button: it says nothing to a screen reader. */
export function Icon({ name, className, size = 16 }: { name: IconName; className?: string; size?: number }) {
  return (
    <svg viewBox="0 0 16 16" width={size} height={size} aria-hidden="true" focusable="false" className={className ? `shrink-0 ${className}` : 'shrink-0'}
      fill="none" stroke="currentColor" strokeWidth={name === 'more' ? 2.2 : 1.4} strokeLinecap="round" strokeLinejoin="round">
      <path d={paths[name]} />
    </svg>
  )
}

export const iconNames = Object.keys(paths) as IconName[]
