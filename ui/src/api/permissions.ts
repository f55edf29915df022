// Generated from docs/reference/permissions.md by npm run api. DO NOT EDIT.

export type Role = 'owner' | 'admin' | 'editor' | 'analyst' | 'viewer'

/** From all permissions to few. */
export const roles: readonly Role[] = ['owner', 'admin', 'editor', 'analyst', 'viewer']

export interface Permission {
  name: string
  level: 'server' | 'workspace' | 'environment'
  /** A role in any environment of the workspace is enough. */
  anywhere: boolean
  lets: string
  roles: readonly Role[]
}

/** Everything that one may be allowed. */
export const permissions: readonly Permission[] = [
  { name: 'server:read', level: 'server', anywhere: false, lets: 'See how the server is, and scrape its metrics', roles: ['owner', 'admin', 'viewer'] },
  { name: 'server:logs', level: 'server', anywhere: false, lets: 'Read the server\'s own log', roles: ['owner', 'admin'] },
  { name: 'server:support', level: 'server', anywhere: false, lets: 'Download the support bundle', roles: ['owner', 'admin'] },
  { name: 'server:verify', level: 'server', anywhere: false, lets: 'Verify the log and the archive of all workspaces', roles: ['owner', 'admin'] },
  { name: 'server:control', level: 'server', anywhere: false, lets: 'Pause, resume and reset the readers that all workspaces have in common, such as the archive', roles: ['owner', 'admin'] },
  { name: 'server:audit', level: 'server', anywhere: false, lets: 'Read the audit trail of the server, and verify all of it', roles: ['owner', 'admin'] },
  { name: 'server:backup', level: 'server', anywhere: false, lets: 'Back up everything, verify backups, delete them', roles: ['owner', 'admin'] },
  { name: 'server:rekey', level: 'server', anywhere: false, lets: 'Change the master key that all secrets and records are encrypted under', roles: ['owner'] },
  { name: 'server:configure', level: 'server', anywhere: false, lets: 'Change what millrace.yaml says of the whole server: where log, archive, warehouse, backups and mail are, its public address, and the limits of queries that hold for all', roles: ['owner'] },
  { name: 'server_key:read', level: 'server', anywhere: false, lets: 'List the API keys of the server, without their secrets', roles: ['owner', 'admin'] },
  { name: 'server_key:manage', level: 'server', anywhere: false, lets: 'Create, rotate and revoke API keys of the server, which can do no more than who makes them', roles: ['owner', 'admin'] },
  { name: 'operator:read', level: 'server', anywhere: false, lets: 'List who runs the server', roles: ['owner', 'admin', 'viewer'] },
  { name: 'operator:manage', level: 'server', anywhere: false, lets: 'Say who runs the server', roles: ['owner'] },
  { name: 'person:read', level: 'server', anywhere: false, lets: 'List the people of all workspaces', roles: ['owner', 'admin'] },
  { name: 'person:manage', level: 'server', anywhere: false, lets: 'Suspend and remove people, change their e-mail address, and make links that set their password', roles: ['owner'] },
  { name: 'workspace:list', level: 'server', anywhere: false, lets: 'List all workspaces, without what is in them', roles: ['owner', 'admin', 'viewer'] },
  { name: 'workspace:create', level: 'server', anywhere: false, lets: 'Create workspaces', roles: ['owner', 'admin'] },
  { name: 'workspace:suspend', level: 'server', anywhere: false, lets: 'Suspend and resume workspaces', roles: ['owner', 'admin'] },
  { name: 'quota:set', level: 'server', anywhere: false, lets: 'Set the quotas of workspaces', roles: ['owner', 'admin'] },
  { name: 'workspace:read', level: 'workspace', anywhere: true, lets: 'See the workspace\'s name and environments', roles: ['owner', 'admin', 'editor', 'analyst', 'viewer'] },
  { name: 'workspace:update', level: 'workspace', anywhere: false, lets: 'Rename the workspace and change its settings', roles: ['owner', 'admin'] },
  { name: 'workspace:delete', level: 'workspace', anywhere: false, lets: 'Delete the workspace, and undo that', roles: ['owner'] },
  { name: 'workspace:export', level: 'workspace', anywhere: false, lets: 'Export everything that the workspace holds, except secrets', roles: ['owner', 'admin'] },
  { name: 'workspace:import', level: 'workspace', anywhere: false, lets: 'Import into the workspace what was exported', roles: ['owner', 'admin'] },
  { name: 'environment:manage', level: 'workspace', anywhere: false, lets: 'Create, change and delete environments', roles: ['owner', 'admin'] },
  { name: 'usage:read', level: 'workspace', anywhere: true, lets: 'See and export usage and quotas', roles: ['owner', 'admin', 'editor', 'analyst'] },
  { name: 'audit:read', level: 'workspace', anywhere: false, lets: 'Read, search and export the audit trail of the workspace', roles: ['owner', 'admin'] },
  { name: 'member:read', level: 'environment', anywhere: true, lets: 'See who is a member, and their roles', roles: ['owner', 'admin', 'editor', 'analyst', 'viewer'] },
  { name: 'member:manage', level: 'environment', anywhere: false, lets: 'Invite and remove members, and set their roles up to one\'s own', roles: ['owner', 'admin'] },
  { name: 'key:read', level: 'environment', anywhere: false, lets: 'List API keys, without their secrets', roles: ['owner', 'admin', 'editor'] },
  { name: 'key:manage', level: 'environment', anywhere: false, lets: 'Create, rotate and revoke API keys, which can do no more than who makes them', roles: ['owner', 'admin'] },
  { name: 'status:read', level: 'environment', anywhere: false, lets: 'See how sources, readers and the warehouse are, what needs attention, and numbers over time', roles: ['owner', 'admin', 'editor', 'analyst', 'viewer'] },
  { name: 'source:read', level: 'environment', anywhere: false, lets: 'See sources, their events and their public write keys', roles: ['owner', 'admin', 'editor', 'analyst', 'viewer'] },
  { name: 'source:test', level: 'environment', anywhere: false, lets: 'Send a test event to a source', roles: ['owner', 'admin', 'editor'] },
  { name: 'record:read', level: 'environment', anywhere: false, lets: 'Read records as they were sent: find, follow, and those that were rejected', roles: ['owner', 'admin', 'editor', 'analyst'] },
  { name: 'rejected:resend', level: 'environment', anywhere: false, lets: 'Send rejected records again', roles: ['owner', 'admin', 'editor'] },
  { name: 'table:read', level: 'environment', anywhere: false, lets: 'See tables and their columns, without rows', roles: ['owner', 'admin', 'editor', 'analyst', 'viewer'] },
  { name: 'query:run', level: 'environment', anywhere: false, lets: 'Ask the warehouse in SQL, see rows of tables, download results', roles: ['owner', 'admin', 'editor', 'analyst'] },
  { name: 'file:read', level: 'environment', anywhere: false, lets: 'Read the project\'s files', roles: ['owner', 'admin', 'editor', 'analyst', 'viewer'] },
  { name: 'file:write', level: 'environment', anywhere: false, lets: 'Change the project\'s files', roles: ['owner', 'admin', 'editor'] },
  { name: 'release:read', level: 'environment', anywhere: false, lets: 'See versions and their differences, and plan a new one', roles: ['owner', 'admin', 'editor', 'analyst', 'viewer'] },
  { name: 'release:deploy', level: 'environment', anywhere: false, lets: 'Deploy, promote and roll back versions', roles: ['owner', 'admin', 'editor'] },
  { name: 'reader:control', level: 'environment', anywhere: false, lets: 'Pause, resume and reset what loads the environment\'s tables', roles: ['owner', 'admin'] },
  { name: 'job:read', level: 'environment', anywhere: false, lets: 'See jobs', roles: ['owner', 'admin', 'editor', 'analyst', 'viewer'] },
  { name: 'job:cancel', level: 'environment', anywhere: false, lets: 'Cancel jobs', roles: ['owner', 'admin', 'editor'] },
  { name: 'warehouse:rebuild', level: 'environment', anywhere: false, lets: 'Rebuild the warehouse from archive and log', roles: ['owner', 'admin'] },
  { name: 'secret:list', level: 'environment', anywhere: false, lets: 'List secrets and their history, without their values', roles: ['owner', 'admin', 'editor'] },
  { name: 'secret:set', level: 'environment', anywhere: false, lets: 'Set, roll back and delete secrets', roles: ['owner', 'admin'] },
  { name: 'secret:use', level: 'environment', anywhere: false, lets: 'Let a resource or a host use a secret that could not before', roles: ['owner', 'admin'] },
  { name: 'secret:reveal', level: 'environment', anywhere: false, lets: 'Read the value of a secret', roles: ['owner', 'admin'] },
]
