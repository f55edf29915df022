// People and what they may do, as the page shows them.
import { permissions, type Permission, type Role } from '@/api/permissions'
import type { Member } from '@/api/schema'

export interface MemberRoles { person: string; name: string; email: string; suspended: boolean; since: string; roles: { role: string; environment?: string; environmentName?: string }[] }

/** byPerson puts the lines of members together: one for each person, with all their roles. */
export function byPerson(lines: Member[]): MemberRoles[] {
  const all = new Map<string, MemberRoles>()
  for (const line of lines) {
    const role = { role: line.role, environment: line.environment, environmentName: line.environment_name }
    const known = all.get(line.person)
    if (known) {
      known.roles.push(role)
      if (line.since < known.since) known.since = line.since
    } else {
      all.set(line.person, { person: line.person, name: line.name, email: line.email, suspended: line.suspended === true, since: line.since, roles: [role] })
    }
  }
  return [...all.values()]
}

/** Which roles there are on the server: those of an editor or analyst would be about data. */
export const operatorRoles: Role[] = ['owner', 'admin', 'viewer']

export const aboutRoles: Record<Role, string> = {
  owner: 'Everything, also who else is an owner, and deleting the workspace',
  admin: 'Everything but owners: members, keys, secrets, environments',
  editor: 'Changes the project and deploys it, sends rejected records again',
  analyst: 'Asks in SQL and reads records, changes nothing',
  viewer: 'Sees how it is: sources, tables, status; no rows',
}

export const aboutOperators: Partial<Record<Role, string>> = {
  owner: 'Everything on the server, also who runs it and all accounts',
  admin: 'Runs it: workspaces, backups, its log and audit trail',
  viewer: 'Sees how the server is, and its workspaces by name',
}

/** levels are the permissions by what they are about. */
export function levels(of: 'workspace' | 'server'): { title: string; about: string; permissions: Permission[] }[] {
  const at = (level: Permission['level']) => permissions.filter((p) => p.level === level)
  if (of === 'server') return [{ title: 'The server', about: 'A role on the server does not let one see into workspaces.', permissions: at('server') }]
  return [
    { title: 'The workspace', about: 'These need the role in all environments; those marked * need it in one.', permissions: at('workspace') },
    { title: 'An environment', about: 'These need the role in that environment, or in all; those marked * need it in one.', permissions: at('environment') },
  ]
}

/** browserOf names a browser by what it calls itself. */
export function browserOf(agent: string | undefined): string {
  if (!agent) return 'unknown'
  const name = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari'], ['curl/', 'curl'], ['millrace', 'millrace']].find(([mark]) => agent.includes(mark ?? ''))?.[1]
  const system = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Mac OS X', 'macOS'], ['Windows', 'Windows'], ['CrOS', 'ChromeOS'], ['Linux', 'Linux']].find(([mark]) => agent.includes(mark ?? ''))?.[1]
  return name ? (system ? `${name} on ${system}` : name) : agent.slice(0, 60)
}
