package secret

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace"
)

// Uses say who may use a secret. Both lists are of patterns, and empty ones allow
// nothing.
type Uses struct {
	// Resources such as destinations/hook, warehouse, sources/* (any source) or *.
	Resources []string `json:"resources"`
	// Hosts that it may be sent to: api.stripe.com (any port), db.internal:5432,
	// *.example.com (anything below example.com), [2001:db8::1]:443.
	Hosts []string `json:"hosts"`
}

// A By is who uses a secret, and for what.
type By struct {
	Resource string // such as destinations/hook; required
	// Host, with or without a port, is where it is sent. Required unless Inside.
	Host string
	// Inside says that the value does not leave the process: a signature is
	// checked with it. The caller answers for that.
	Inside bool
	// Hidden says that the host has the value of a secret in it: it is not told.
	Hidden bool
}

// secretHost stands for a host that is not told.
const secretHost = "a host that has a secret in it"

const (
	maxPatterns     = 100
	maxPatternBytes = 255
)

var (
	resourcePattern = regexp.MustCompile(`^(\*|[a-z][a-z0-9_-]{0,62}(/(\*|[a-z0-9][a-z0-9_.-]{0,99}))?)$`)
	resourceText    = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}(/[a-z0-9][a-z0-9_.-]{0,99})?$`)
	hostText        = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)
)

// normal returns the uses sorted, each once and in small letters. It fails with
// Invalid when one is no pattern.
func (u Uses) normal() (Uses, error) {
	out := Uses{Resources: []string{}, Hosts: []string{}}
	if len(u.Resources) > maxPatterns || len(u.Hosts) > maxPatterns {
		return out, millrace.Errorf(millrace.Invalid, "a secret has at most %d resources and %d hosts that may use it", maxPatterns, maxPatterns)
	}
	for _, p := range u.Resources {
		if len(p) > maxPatternBytes || !resourcePattern.MatchString(p) {
			return out, millrace.Errorf(millrace.Invalid, "%s is no resource: write one as destinations/hook, all of a kind as sources/*, or *", quoted(p))
		}
		out.Resources = append(out.Resources, p)
	}
	for _, p := range u.Hosts {
		domain, below := strings.CutPrefix(p, "*.")
		host, port, err := splitHost(domain)
		if err != nil || len(p) > maxPatternBytes || below && (net.ParseIP(host) != nil || !strings.Contains(host, ".")) {
			return out, millrace.Errorf(millrace.Invalid, "%s is no host: write it as api.stripe.com, with a port as db.internal:5432, or all below a domain as *.example.com", quoted(p))
		}
		if p = joinHost(host, port); below {
			p = "*." + p
		}
		out.Hosts = append(out.Hosts, p)
	}
	slices.Sort(out.Resources)
	slices.Sort(out.Hosts)
	out.Resources, out.Hosts = slices.Compact(out.Resources), slices.Compact(out.Hosts)
	return out, nil
}

// splitHost returns a host in small letters and its port, if it has one.
func splitHost(s string) (host, port string, err error) {
	wrong := millrace.Errorf(millrace.Invalid, "%s is no host", quoted(s))
	host = s
	if ip := net.ParseIP(s); ip == nil && strings.Contains(s, ":") || strings.HasPrefix(s, "[") {
		if strings.HasSuffix(s, "]") {
			host = strings.TrimPrefix(strings.TrimSuffix(s, "]"), "[")
		} else if host, port, err = net.SplitHostPort(s); err != nil {
			return "", "", wrong
		}
	}
	if s != host && port == "" && !strings.HasSuffix(s, "]") {
		return "", "", wrong // "host:"
	}
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return "", "", wrong
		}
	}
	if ip := net.ParseIP(host); ip != nil {
		return ip.String(), port, nil
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if len(host) > 253 || !hostText.MatchString(host) {
		return "", "", wrong
	}
	return host, port, nil
}

func joinHost(host, port string) string {
	if port != "" {
		return net.JoinHostPort(host, port)
	}
	return host
}

// check refuses a use that is not allowed, with what would allow it. It returns
// the pattern that allows the host.
func (u Uses) check(path string, by By) (allowed string, err error) {
	if !resourceText.MatchString(by.Resource) {
		return "", millrace.Errorf(millrace.Invalid, "secret %s is used by %s, which is no resource", path, quoted(by.Resource))
	}
	if !slices.ContainsFunc(u.Resources, func(p string) bool { return matchResource(p, by.Resource) }) {
		return "", millrace.Errorf(millrace.Forbidden, "%s may not use the secret %s: someone with the permission %s has to add %s to the resources that may use it (now: %s)",
			by.Resource, path, PermissionUse, by.Resource, list(u.Resources))
	}
	if by.Inside {
		return "", nil
	}
	host, port, err := splitHost(by.Host)
	i := slices.IndexFunc(u.Hosts, func(p string) bool { return err == nil && matchHost(p, host, port) })
	switch {
	case i < 0 && by.Hidden:
		return "", millrace.Errorf(millrace.Forbidden, "the secret %s may not be used so by %s: the host of the address has a secret in it, is not told for that, and is none that %s may be sent to (%s): write the host into the file",
			path, by.Resource, path, list(u.Hosts))
	case err != nil:
		return "", millrace.Errorf(millrace.Invalid, "secret %s is to be sent to %s, which is no host name, by %s", path, quoted(by.Host), by.Resource)
	case i < 0:
		return "", millrace.Errorf(millrace.Forbidden, "the secret %s may not be sent to %s, as %s would: someone with the permission %s has to add %s to its hosts (now: %s)",
			path, joinHost(host, port), by.Resource, PermissionUse, joinHost(host, port), list(u.Hosts))
	}
	return u.Hosts[i], nil
}

func list(patterns []string) string {
	if len(patterns) == 0 {
		return "none"
	}
	return strings.Join(patterns, ", ")
}

func matchResource(pattern, resource string) bool {
	if kind, all := strings.CutSuffix(pattern, "/*"); all {
		return strings.HasPrefix(resource, kind+"/")
	}
	return pattern == "*" || pattern == resource
}

func matchHost(pattern, host, port string) bool {
	domain, below := strings.CutPrefix(pattern, "*.")
	want, wantPort, err := splitHost(domain)
	if err != nil || wantPort != "" && wantPort != port {
		return false
	}
	if below {
		return strings.HasSuffix(host, "."+want) && net.ParseIP(host) == nil
	}
	return host == want
}

// added returns the patterns that allow more than before.
func (u Uses) added(before Uses) (more []string) {
	for _, p := range u.Resources {
		if !slices.ContainsFunc(before.Resources, func(old string) bool {
			return old == p || !strings.Contains(p, "*") && matchResource(old, p)
		}) {
			more = append(more, p)
		}
	}
	for _, p := range u.Hosts {
		host, port, err := splitHost(p)
		if !slices.Contains(before.Hosts, p) && !slices.ContainsFunc(before.Hosts, func(old string) bool { return err == nil && matchHost(old, host, port) }) {
			more = append(more, p)
		}
	}
	return more
}
