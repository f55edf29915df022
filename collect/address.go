package collect

import (
	"net/http"
	"net/netip"
	"strings"
)

// Address returns the address of the client of a request, as trusted proxies
// say it; invalid when the peer has none.
func (h *Handler) Address(r *http.Request) netip.Addr {
	addr, _ := h.address(r)
	return addr
}

// address returns the address of the client: the peer of the connection, or,
// while that is a trusted proxy, what it says in X-Forwarded-For, read from
// the right to the first address that is not a trusted proxy.
func (h *Handler) address(r *http.Request) (netip.Addr, bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	addr := peer.Addr().Unmap().WithZone("")
	if !h.trusted(addr) {
		return addr, true
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for rest != "" {
			var hop string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				hop, rest = rest[comma+1:], rest[:comma]
			} else {
				hop, rest = rest, ""
			}
			next, ok := parseHop(strings.TrimSpace(hop))
			if !ok {
				return addr, true
			}
			if addr = next; !h.trusted(addr) {
				return addr, true
			}
		}
	}
	return addr, true
}

// parseHop reads an address, with or without a port.
func parseHop(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

func (h *Handler) trusted(a netip.Addr) bool {
	for _, p := range h.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
