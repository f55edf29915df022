import type { IconName } from '@/design/Icon'

export interface Room { to: string; title: string; icon: IconName; key: string }

/** The rooms, in the order in which data travels. */
export const rooms: Room[] = [
  { to: '/', title: 'Home', icon: 'home', key: 'h' },
  { to: '/sources', title: 'Sources', icon: 'source', key: 's' },
  { to: '/live', title: 'Live', icon: 'live', key: 'l' },
  { to: '/rejected', title: 'Rejected', icon: 'rejected', key: 'r' },
  { to: '/warehouse', title: 'Warehouse', icon: 'warehouse', key: 'w' },
  { to: '/project', title: 'Project', icon: 'project', key: 'p' },
  { to: '/status', title: 'Status', icon: 'status', key: 't' },
]

/** The room that is about all of them. */
export const settingsRoom: Room = { to: '/settings', title: 'Settings', icon: 'settings', key: ',' }
