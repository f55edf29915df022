package main

import (
	"net"
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
