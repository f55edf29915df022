package main

import (
	"net"
	"strings"
	"testing"
)

// An address that is taken is left to who has it.
func TestFree(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got, taken, err := free(l.Addr().String())
	if err != nil || !taken || got == l.Addr().String() {
		t.Errorf("%s, %v, %v", got, taken, err)
	}
	if again, taken, err := free(got); err != nil || taken || again != got {
		t.Errorf("%s, %v, %v", again, taken, err)
	}
}

// What is said at the end names the page.
func TestNext(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	next(&out, options{binary: "bin/millrace", listen: "127.0.0.1:9000"})
	if text := out.String(); !strings.Contains(text, "open http://127.0.0.1:9000 in a browser") || !strings.Contains(text, "query --server http://127.0.0.1:9000") {
		t.Errorf("it says %s", text)
	}
}
