// Package access knows who may do what: people, passwords, sessions, roles and
// their permissions, invitations, resets, API keys, and how fast one may guess.
//
// It keeps all that in a catalog and speaks no HTTP. Every change of state is told to
// Options.Record in its own transaction, so that there is none without its
// audit entry. What each request needs (sessions, keys, roles) is answered from
// memory, and forgotten as soon as a change is committed.
//
// Workspaces and environments are known here by their immutable ids only.
package access

import (
	"math/bits"
	"slices"
	"strings"
)

// A Permission names one thing that one may do: "query:run".
type Permission string

// The permissions. What each lets one do stands in Permissions.
const (
	ServerRead       Permission = "server:read"
	ServerLogs       Permission = "server:logs"
	ServerSupport    Permission = "server:support"
	ServerVerify     Permission = "server:verify"
	ServerControl    Permission = "server:control"
	ServerAudit      Permission = "server:audit"
	ServerBackup     Permission = "server:backup"
	ServerRestore    Permission = "server:restore"
	ServerRekey      Permission = "server:rekey"
	ServerConfigure  Permission = "server:configure"
	ServerKeyRead    Permission = "server_key:read"
	ServerKeyManage  Permission = "server_key:manage"
	OperatorRead     Permission = "operator:read"
	OperatorManage   Permission = "operator:manage"
	PersonRead       Permission = "person:read"
	PersonManage     Permission = "person:manage"
	WorkspaceList    Permission = "workspace:list"
	WorkspaceCreate  Permission = "workspace:create"
	WorkspaceSuspend Permission = "workspace:suspend"
	QuotaSet         Permission = "quota:set"

	WorkspaceRead     Permission = "workspace:read"
	WorkspaceUpdate   Permission = "workspace:update"
	WorkspaceDelete   Permission = "workspace:delete"
	WorkspaceExport   Permission = "workspace:export"
	WorkspaceImport   Permission = "workspace:import"
	OwnerManage       Permission = "owner:manage"
	EnvironmentManage Permission = "environment:manage"
	UsageRead         Permission = "usage:read"
	AuditRead         Permission = "audit:read"

	MemberRead       Permission = "member:read"
	MemberManage     Permission = "member:manage"
	KeyRead          Permission = "key:read"
	KeyManage        Permission = "key:manage"
	StatusRead       Permission = "status:read"
	SourceRead       Permission = "source:read"
	SourceTest       Permission = "source:test"
	RecordRead       Permission = "record:read"
	RejectedResend   Permission = "rejected:resend"
	TableRead        Permission = "table:read"
	QueryRun         Permission = "query:run"
	FileRead         Permission = "file:read"
	FileWrite        Permission = "file:write"
	ReleaseRead      Permission = "release:read"
	ReleaseDeploy    Permission = "release:deploy"
	ReaderControl    Permission = "reader:control"
	JobRead          Permission = "job:read"
	JobCancel        Permission = "job:cancel"
	ArchiveVerify    Permission = "archive:verify"
	WarehouseRebuild Permission = "warehouse:rebuild"
	SecretList       Permission = "secret:list"
	SecretSet        Permission = "secret:set"
	SecretUse        Permission = "secret:use"
	SecretReveal     Permission = "secret:reveal"
)

// A Role is a set of permissions that people are given together.
type Role string

// The built-in roles, from all permissions to few.
const (
	Owner   Role = "owner"
	Admin   Role = "admin"
	Editor  Role = "editor"
	Analyst Role = "analyst"
	Viewer  Role = "viewer"
)

// Roles are the built-in roles, from all permissions to few.
func Roles() []Role { return []Role{Owner, Admin, Editor, Analyst, Viewer} }

// A Level says what a permission is about.
type Level uint8

// The levels.
const (
	// OfServer permissions are about the whole installation: those who run it have
	// a role there, which says nothing about what is in its workspaces.
	OfServer Level = iota
	// OfWorkspace permissions need a role in all environments of a workspace.
	OfWorkspace
	// OfEnvironment permissions need a role in that environment, or in all.
	OfEnvironment
)

// Info is what is to know of a permission.
type Info struct {
	Name     Permission
	Level    Level
	Anywhere bool   // a role in any environment of the workspace is enough
	Lets     string // one sentence, without its subject and full stop
	Roles    []Role
}

var (
	all      = []Role{Owner, Admin, Editor, Analyst, Viewer}
	asking   = []Role{Owner, Admin, Editor, Analyst}
	editing  = []Role{Owner, Admin, Editor}
	managing = []Role{Owner, Admin}
	owning   = []Role{Owner}
	watching = []Role{Owner, Admin, Viewer}
)

// table is the one place that says what roles may do. What is not in it, nobody may.
var table = []Info{
	{ServerRead, OfServer, false, "See how the server is, and scrape its metrics", watching},
	{ServerLogs, OfServer, false, "Read the server's own log", managing},
	{ServerSupport, OfServer, false, "Download the support bundle", managing},
	{ServerVerify, OfServer, false, "Verify the log and the archive of all workspaces", managing},
	{ServerControl, OfServer, false, "Pause, resume and reset the readers that all workspaces have in common, such as the archive", managing},
	{ServerAudit, OfServer, false, "Read the audit trail of the server, and verify all of it", managing},
	{ServerBackup, OfServer, false, "Back up everything, verify backups, delete them", managing},
	{ServerRestore, OfServer, false, "Restore a backup over the server", owning},
	{ServerRekey, OfServer, false, "Change the master key that all secrets and records are encrypted under", owning},
	{ServerConfigure, OfServer, false, "Change what millrace.yaml says of the whole server: where log, archive, warehouse, backups and mail are, its public address, and the limits of queries that hold for all", owning},
	{ServerKeyRead, OfServer, false, "List the API keys of the server, without their secrets", managing},
	{ServerKeyManage, OfServer, false, "Create, rotate and revoke API keys of the server, which can do no more than who makes them", managing},
	{OperatorRead, OfServer, false, "List who runs the server", watching},
	{OperatorManage, OfServer, false, "Say who runs the server", owning},
	{PersonRead, OfServer, false, "List the people of all workspaces", managing},
	{PersonManage, OfServer, false, "Suspend and remove people, change their e-mail address, and make links that set their password", owning},
	{WorkspaceList, OfServer, false, "List all workspaces, without what is in them", watching},
	{WorkspaceCreate, OfServer, false, "Create workspaces", managing},
	{WorkspaceSuspend, OfServer, false, "Suspend and resume workspaces", managing},
	{QuotaSet, OfServer, false, "Set the quotas of workspaces", managing},

	{WorkspaceRead, OfWorkspace, true, "See the workspace's name and environments", all},
	{WorkspaceUpdate, OfWorkspace, false, "Rename the workspace and change its settings", managing},
	{WorkspaceDelete, OfWorkspace, false, "Delete the workspace, and undo that", owning},
	{WorkspaceExport, OfWorkspace, false, "Export everything that the workspace holds, except secrets", managing},
	{WorkspaceImport, OfWorkspace, false, "Import into the workspace what was exported", managing},
	{OwnerManage, OfWorkspace, false, "Make and unmake owners of the workspace", owning},
	{EnvironmentManage, OfWorkspace, false, "Create, change and delete environments", managing},
	{UsageRead, OfWorkspace, true, "See and export usage and quotas", asking},
	{AuditRead, OfWorkspace, false, "Read, search and export the audit trail of the workspace", managing},

	{MemberRead, OfEnvironment, true, "See who is a member, and their roles", all},
	{MemberManage, OfEnvironment, false, "Invite and remove members, and set their roles up to one's own", managing},
	{KeyRead, OfEnvironment, false, "List API keys, without their secrets", editing},
	{KeyManage, OfEnvironment, false, "Create, rotate and revoke API keys, which can do no more than who makes them", managing},
	{StatusRead, OfEnvironment, false, "See how sources, readers and the warehouse are, what needs attention, and numbers over time", all},
	{SourceRead, OfEnvironment, false, "See sources, their events and their public write keys", all},
	{SourceTest, OfEnvironment, false, "Send a test event to a source", editing},
	{RecordRead, OfEnvironment, false, "Read records as they were sent: find, follow, and those that were rejected", asking},
	{RejectedResend, OfEnvironment, false, "Send rejected records again", editing},
	{TableRead, OfEnvironment, false, "See tables and their columns, without rows", all},
	{QueryRun, OfEnvironment, false, "Ask the warehouse in SQL, see rows of tables, download results", asking},
	{FileRead, OfEnvironment, false, "Read the project's files", all},
	{FileWrite, OfEnvironment, false, "Change the project's files", editing},
	{ReleaseRead, OfEnvironment, false, "See versions and their differences, and plan a new one", all},
	{ReleaseDeploy, OfEnvironment, false, "Deploy, promote and roll back versions", editing},
	{ReaderControl, OfEnvironment, false, "Pause, resume and reset what loads the environment's tables", managing},
	{JobRead, OfEnvironment, false, "See jobs", all},
	{JobCancel, OfEnvironment, false, "Cancel jobs", editing},
	{ArchiveVerify, OfEnvironment, false, "Verify the environment's archive", managing},
	{WarehouseRebuild, OfEnvironment, false, "Rebuild the warehouse from archive and log", managing},
	{SecretList, OfEnvironment, false, "List secrets and their history, without their values", editing},
	{SecretSet, OfEnvironment, false, "Set, roll back and delete secrets", managing},
	{SecretUse, OfEnvironment, false, "Let a resource or a host use a secret that could not before", managing},
	{SecretReveal, OfEnvironment, false, "Read the value of a secret", managing},
}

// Permissions returns the table of all permissions.
func Permissions() []Info {
	out := slices.Clone(table)
	for i := range out {
		out[i].Roles = slices.Clone(out[i].Roles)
	}
	return out
}

// A set of permissions, by their index in the table.
type set uint64

var (
	indexes = func() map[Permission]int {
		out := make(map[Permission]int, len(table))
		for i, info := range table {
			out[info.Name] = i
		}
		return out
	}()
	roleSets = func() map[Role]set {
		out := map[Role]set{}
		for i, info := range table {
			for _, role := range info.Roles {
				out[role] |= 1 << i
			}
		}
		return out
	}()
	ofServer = func() (s set) {
		for i, info := range table {
			if info.Level == OfServer {
				s |= 1 << i
			}
		}
		return s
	}()
	everywhere = func() (s set) { // what a role in one environment cannot give
		for i, info := range table {
			if info.Level == OfWorkspace && !info.Anywhere {
				s |= 1 << i
			}
		}
		return s
	}()
)

// Known says whether there is such a permission.
func (p Permission) Known() bool { _, ok := indexes[p]; return ok }

// Known says whether there is such a role.
func (r Role) Known() bool { return roleSets[r] != 0 }

func (s set) has(i int) bool    { return s&(1<<i) != 0 }
func (s set) within(o set) bool { return s&^o == 0 }
func (s set) names() []Permission {
	out := make([]Permission, 0, bits.OnesCount64(uint64(s)))
	for i, info := range table {
		if s.has(i) {
			out = append(out, info.Name)
		}
	}
	return out
}

// at leaves of a set what can be had in a place.
func (s set) at(workspace, environment string) set {
	switch {
	case workspace == Installation:
		return s & ofServer
	case environment != "":
		return s &^ ofServer &^ everywhere
	}
	return s &^ ofServer
}

func setOf(permissions []Permission) (s set, unknown Permission) {
	for _, p := range permissions {
		i, ok := indexes[p]
		if !ok {
			return 0, p
		}
		s |= 1 << i
	}
	return s, ""
}

// Markdown renders the table for the docs.
func Markdown() string {
	var b strings.Builder
	for _, part := range []struct {
		level       Level
		title, text string
	}{
		{OfServer, "The server", "Those who run the installation have a role there. It does not let them see into workspaces."},
		{OfWorkspace, "A workspace", "These need the role in all environments of the workspace; those marked * need it in one."},
		{OfEnvironment, "An environment", "These need the role in that environment, or in all; those marked * need it in one."},
	} {
		b.WriteString("## " + part.title + "\n\n" + part.text + "\n\n| permission | lets one |")
		for _, role := range Roles() {
			b.WriteString(" " + string(role) + " |")
		}
		b.WriteString("\n|---|---|" + strings.Repeat(":-:|", len(Roles())) + "\n")
		for _, info := range table {
			if info.Level != part.level {
				continue
			}
			star := ""
			if info.Anywhere {
				star = "*"
			}
			b.WriteString("| `" + string(info.Name) + "`" + star + " | " + info.Lets + " |")
			for _, role := range Roles() {
				mark := " "
				if slices.Contains(info.Roles, role) {
					mark = " ✓ "
				}
				b.WriteString(mark + "|")
			}
			b.WriteString("\n")
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
