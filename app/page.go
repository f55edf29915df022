package app

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/serve"
)

// secure says whether a request came by https: to this server, or to a proxy
// that the project trusts.
func (a *App) secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	for _, p := range a.proxies {
		if p.Contains(peer.Addr().Unmap().WithZone("")) {
			return strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
		}
	}
	return false
}

// proxies are the networks of collect.trusted_proxies.
func proxies(texts []string) (all []netip.Prefix, err error) {
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return nil, err
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		all = append(all, prefix)
	}
	return all, nil
}

// locate says where the archive has a record, in the API's words.
func (a *App) locate(ctx context.Context, workspace, source string, p millrace.Position) (serve.ArchivePlace, bool, error) {
	at, found, err := a.archive.Locate(ctx, workspace, source, p)
	return serve.ArchivePlace{File: at.Key, Published: at.Published, Modified: at.Modified}, found, err
}

// signatureOf tells how deliveries to a webhook are signed, but for the secret.
func signatureOf(s *collect.Signature) *serve.SourceSignature {
	if s == nil {
		return nil
	}
	return &serve.SourceSignature{Header: s.Header, Prefix: s.Prefix, Algorithm: cmp.Or(s.Algorithm, "sha256"), Encoding: cmp.Or(s.Encoding, "hex"),
		Timestamped: s.TimestampHeader != "" || s.Payload != "" && s.Payload != "{body}"}
}
