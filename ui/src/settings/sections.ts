import type { IconName } from '@/design/Icon'
import type { Session } from '@/api/schema'

export interface Section {
  to: string
  title: string
  icon: IconName
  about: string
  group: 'You' | 'Workspace' | 'Server'
  /** Who has one of these permissions sees it; of people's own, who is one. */
  needs: string[] | 'person'
}

/** The sections of Settings, in the order in which they are needed. */
export const sections: Section[] = [
  { to: '/settings/profile', title: 'Profile', icon: 'user', about: 'Your name, password and sessions', group: 'You', needs: 'person' },
  { to: '/settings/members', title: 'Members', icon: 'people', about: 'Who may do what here', group: 'Workspace', needs: ['member:read'] },
  { to: '/settings/keys', title: 'API keys', icon: 'key', about: 'What programs ask with', group: 'Workspace', needs: ['key:read', 'server_key:read'] },
  { to: '/settings/secrets', title: 'Secrets', icon: 'lock', about: 'What sources and stores sign in with', group: 'Workspace', needs: ['secret:list'] },
  { to: '/settings/environments', title: 'Environments', icon: 'branch', about: 'Production, staging and others', group: 'Workspace', needs: ['workspace:read'] },
  { to: '/settings/releases', title: 'Releases', icon: 'release', about: 'Versions of the project, and what runs', group: 'Workspace', needs: ['release:read'] },
  { to: '/settings/usage', title: 'Usage', icon: 'chart', about: 'What was taken in and asked, and the quotas', group: 'Workspace', needs: ['usage:read'] },
  { to: '/settings/audit', title: 'Audit', icon: 'history', about: 'Who did what, and when', group: 'Workspace', needs: ['audit:read', 'server:audit'] },
  { to: '/settings/workspaces', title: 'Workspaces', icon: 'workspaces', about: 'Whose data is on the server', group: 'Server', needs: ['workspace:list', 'workspace:update'] },
  { to: '/settings/backups', title: 'Backups', icon: 'archive', about: 'Copies to begin again from', group: 'Server', needs: ['server:backup'] },
  { to: '/settings/people', title: 'People', icon: 'people', about: 'Who runs the server, and all accounts', group: 'Server', needs: ['operator:read', 'person:read'] },
]

/** sectionsOf are those that somebody can use. */
export function sectionsOf(session: Session | undefined): Section[] {
  if (!session) return []
  const may = (p: string) => session.everything === true || session.permissions.includes(p) || session.server_permissions.includes(p)
  return sections.filter((s) => s.needs === 'person' ? session.person !== undefined : s.needs.some(may))
}
