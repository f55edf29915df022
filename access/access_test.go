package access_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/password"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
)

const good = "tepid walnut orbit cashier"

var home, elsewhere = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.7")

// A world is an Access over a store, with a clock of its own.
type world struct {
	*access.Access
	t       testing.TB
	catalog *counted
	hasher  *password.Hasher
	o       access.Options

	mu      sync.Mutex
	now     time.Time
	changes []access.Change
	fail    string // the action whose record fails
}

// counted notes which statements run.
type counted struct {
	catalog.Catalog
	mu         sync.Mutex
	statements []string
	away       bool
}

type countedTx struct {
	catalog.Tx
	c *counted
}

func (c *counted) View(ctx context.Context, f func(catalog.Tx) error) error {
	if c.isAway() {
		return millrace.Errorf(millrace.Unavailable, "away")
	}
	return c.Catalog.View(ctx, func(tx catalog.Tx) error { return f(countedTx{tx, c}) })
}

func (c *counted) Update(ctx context.Context, f func(catalog.Tx) error) error {
	if c.isAway() {
		return millrace.Errorf(millrace.Unavailable, "away")
	}
	return c.Catalog.Update(ctx, func(tx catalog.Tx) error { c.note("UPDATE"); return f(countedTx{tx, c}) })
}

func (c *counted) isAway() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.away }

func (c *counted) setAway(away bool) { c.mu.Lock(); defer c.mu.Unlock(); c.away = away }

func (c *counted) note(sql string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statements = append(c.statements, sql)
}

// take returns what ran since it was last called.
func (c *counted) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.statements
	c.statements = nil
	return out
}

func (t countedTx) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	t.c.note(sql)
	return t.Tx.Exec(ctx, sql, args...)
}

func (t countedTx) Query(ctx context.Context, sql string, args ...any) (catalog.Rows, error) {
	t.c.note(sql)
	return t.Tx.Query(ctx, sql, args...)
}

// newWorld makes a world over an empty store.
func newWorld(t testing.TB, c catalog.Catalog, options ...func(*access.Options)) *world {
	t.Helper()
	h, err := password.New(password.Options{Cost: password.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}, Waiting: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, catalog: &counted{Catalog: c}, hasher: h, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	w.o = access.Options{Catalog: w.catalog, Hasher: h, Now: w.clock, Record: w.record, Words: []string{"Acme Corporation"}}
	w.o.WorkspaceName = func(id string) string { return map[string]string{"w_a": "acme"}[id] }
	w.o.EnvironmentName = func(id string) string {
		return map[string]string{"e_staging": "staging", "e_production": "production"}[id]
	}
	for _, o := range options {
		o(&w.o)
	}
	w.restart()
	return w
}

// restart is what a start of the server does.
func (w *world) restart() {
	w.t.Helper()
	a, err := access.New(w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Access = a
}

func (w *world) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

func (w *world) record(ctx context.Context, tx catalog.Tx, c access.Change) error {
	if _, err := tx.Exec(ctx, `UPDATE access_generation SET n = n WHERE one = 1 AND n < 0`); err != nil {
		return err // it is in the transaction
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail == c.Action {
		return millrace.Errorf(millrace.Unavailable, "the audit trail is full")
	}
	w.changes = append(w.changes, c)
	return nil
}

func (w *world) failOn(action string) { w.mu.Lock(); defer w.mu.Unlock(); w.fail = action }

// last returns the newest change that was recorded.
func (w *world) last() access.Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.changes) == 0 {
		return access.Change{}
	}
	return w.changes[len(w.changes)-1]
}

// anyone is nobody yet, at an address.
func anyone(from netip.Addr) access.Caller { return access.Caller{Address: from, Agent: "browser/1"} }

func system() access.Caller { return access.Caller{Principal: access.System("test")} }

// setUp makes the first owner, with the workspace w_a.
func (w *world) setUp() access.SignedIn {
	w.t.Helper()
	l, needed, err := w.Setup(context.Background())
	if err != nil || !needed {
		w.t.Fatalf("set-up: needed %v, %v", needed, err)
	}
	s, err := w.CompleteSetup(context.Background(), anyone(home), l.Token.Reveal(), access.NewPerson{Name: "Ada", Email: "ada@example.com", Password: good}, "w_a")
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// invite makes a person with a role.
func (w *world) invite(name, workspace, environment string, role access.Role) access.SignedIn {
	w.t.Helper()
	s, err := w.tryInvite(system(), name, workspace, environment, role)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) tryInvite(by access.Caller, name, workspace, environment string, role access.Role) (access.SignedIn, error) {
	l, err := w.Invite(context.Background(), by, access.Invite{Email: name + "@example.com", Workspace: workspace, Environment: environment, Role: role})
	if err != nil {
		return access.SignedIn{}, err
	}
	return w.Accept(context.Background(), anyone(home), l.Token.Reveal(), access.NewPerson{Name: name, Password: good})
}

// as returns who a session belongs to.
func (w *world) as(s access.SignedIn) access.Caller {
	w.t.Helper()
	signed, err := w.Authenticate(context.Background(), s.Token.Reveal(), access.From{Address: home, Agent: "browser/1"})
	if err != nil {
		w.t.Fatal(err)
	}
	return access.Caller{Principal: signed.Principal, Address: home, Agent: "browser/1"}
}

func (w *world) signIn(name string) (access.SignedIn, error) {
	return w.SignIn(context.Background(), anyone(home), access.SignIn{Email: name + "@example.com", Password: good})
}

func (w *world) alive(s access.SignedIn) bool {
	_, err := w.Authenticate(context.Background(), s.Token.Reveal(), access.From{Address: home})
	return err == nil
}

// is fails a test when an error is of another kind.
func is(t testing.TB, err error, kind millrace.Kind, says ...string) {
	t.Helper()
	if err == nil || millrace.KindOf(err) != kind {
		t.Errorf("got %v (%s), want %s", err, millrace.KindOf(err), kind)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}

func ok(t interface {
	Helper()
	Fatal(...any)
}, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	record := func(context.Context, catalog.Tx, access.Change) error { return nil }
	for name, o := range map[string]access.Options{"no catalog": {Record: record}, "no record": {Catalog: &counted{}}} {
		if _, err := access.New(o); millrace.KindOf(err) != millrace.Invalid || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTable holds the table of permissions to what it promises.
func TestTable(t *testing.T) {
	t.Parallel()
	all := access.Permissions()
	if len(all) > 64 {
		t.Fatalf("%d permissions do not fit into a set", len(all))
	}
	seen := map[access.Permission]bool{}
	for _, p := range all {
		if seen[p.Name] || strings.Count(string(p.Name), ":") != 1 || p.Lets == "" || strings.HasSuffix(p.Lets, ".") || !p.Name.Known() {
			t.Errorf("%+v", p)
		}
		seen[p.Name] = true
		if !slices.Contains(p.Roles, access.Owner) {
			t.Errorf("no owner may %s", p.Name)
		}
		last := -1
		for _, r := range p.Roles { // in order, without holes but on the server
			i := slices.Index(access.Roles(), r)
			if i <= last || p.Level != access.OfServer && i != last+1 {
				t.Errorf("%s: roles %v", p.Name, p.Roles)
			}
			last = i
		}
	}
	if access.Permission("server:own").Known() || access.Role("root").Known() {
		t.Error("knows what there is not")
	}
	text := access.Markdown()
	for _, p := range all {
		if strings.Count(text, "| `"+string(p.Name)+"`") != 1 || !strings.Contains(text, p.Lets) {
			t.Errorf("the table for the docs has %s not once", p.Name)
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") != 3+len(access.Roles()) {
			t.Errorf("a row of another width: %s", line)
		}
	}
}

// TestEachEngine runs every flow on both engines.
func TestEachEngine(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T, catalog.Catalog){}
	for name, test := range flows {
		tests[name] = func(t *testing.T, c catalog.Catalog) { test(t, newWorld(t, c)) }
	}
	catalogtest.Each(t, tests)
}

var flows = map[string]func(*testing.T, *world){
	"SetUp": testSetUp, "SignIn": testSignIn, "Throttle": testThrottle, "NoEnumeration": testNoEnumeration, "Rehash": testRehash,
	"Sessions": testSessions, "Renew": testRenew, "IdleAndExpiry": testIdleAndExpiry, "Seen": testSeen,
	"Password": testPassword, "Reset": testReset, "ResetEscalation": testResetEscalation, "ResetLater": testResetLater, "Email": testEmail,
	"Invitations": testInvitations, "InvitationOfDemoted": testInvitationOfDemoted, "FirstOwner": testFirstOwner, "Members": testMembers, "LastOwner": testLastOwner,
	"Environments": testEnvironments, "Suspended": testSuspended, "LinksOfTheSuspended": testLinksOfTheSuspended, "DeletePerson": testDeletePerson, "Purge": testPurge,
	"Keys": testKeys, "KeyEscalation": testKeyEscalation, "KeyHolder": testKeyHolder, "Rotation": testRotation, "RotationRevives": testRotationRevives, "RevokeKey": testRevokeKey, "RevokeWhatItGot": testRevokeWhatItGot, "RevokeWhatHides": testRevokeWhatHides,
	"KeyWork": testKeyWork, "AdminToken": testAdminToken, "Standby": testStandby, "Backup": testBackup, "Audit": testAudit, "Forgetting": testForgetting, "CatalogAway": testCatalogAway, "RecordFails": testRecordFails, "Clean": testClean,
	"Races": testRaces, "Lists": testLists, "ListsOfAnEnvironment": testListsOfAnEnvironment, "NothingSecret": testNothingSecret,
}

func printed(v any) string {
	data, _ := json.Marshal(v)
	return fmt.Sprintf("%v %+v %#v %s", v, v, v, data)
}
