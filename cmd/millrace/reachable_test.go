package main

import "testing"

func TestReachable(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]struct {
		address            string
		everywhere, beyond bool
	}{
		"http://127.0.0.1:8080": {"http://127.0.0.1:8080", false, false},
		"http://[::1]:8080":     {"http://[::1]:8080", false, false},
		"https://[::]:443":      {"https://localhost:443", true, true},
		"http://0.0.0.0:8080":   {"http://localhost:8080", true, true},
		"http://10.0.0.5:8080":  {"http://10.0.0.5:8080", false, true},
	} {
		address, everywhere, beyond := reachable(listen)
		if address != want.address || everywhere != want.everywhere || beyond != want.beyond {
			t.Errorf("reachable(%q) = %q, %v, %v, want %+v", listen, address, everywhere, beyond, want)
		}
	}
}
