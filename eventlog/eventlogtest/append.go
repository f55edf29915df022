package eventlogtest

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

func testEmpty(t *testing.T, log eventlog.Log) {
	first, last, err := log.Bounds(Context(t))
	if err != nil {
		t.Fatal(err)
	}
	if !last.Before(first) {
		t.Errorf("Bounds of an empty log: last %v does not lie before first %v", last, first)
	}
	if first.Epoch == 0 || first.Index != 0 {
		t.Errorf("first is %v: want an epoch and index 0", first)
	}
	for name, after := range map[string]millrace.Position{"zero": {}, "last": last} {
		b := Next(t, Open(t, log, after, eventlog.Filter{}))
		if len(b.Records) != 0 || !b.AtEnd {
			t.Errorf("after %s: first batch of an empty log is %+v, want AtEnd without records", name, b)
		}
		if b.Through.After(last) {
			t.Errorf("after %s: Through is %v, beyond the last %v", name, b.Through, last)
		}
		Open(t, log, b.Through, eventlog.Filter{}) // a checkpoint taken there is good
	}
	p := Append(t, log, Record("a"))
	if p != first {
		t.Errorf("first record went to %v, Bounds had said %v", p, first)
	}
	f, l, err := log.Bounds(Context(t))
	if err != nil || f != first || l != (millrace.Position{Epoch: p.Epoch, Seq: p.Seq, Index: millrace.EndOfFrame}) {
		t.Errorf("Bounds with one record: %v, %v, %v", f, l, err)
	}
}

func testAdjacent(t *testing.T, log eventlog.Log) {
	var want []string
	var places []millrace.Position
	for i, n := range []int{1, 3, 500, 1, 2} {
		rs := Records(fmt.Sprint(i), n)
		for k := range rs {
			rs[k].Workspace = fmt.Sprintf("w%d", k%3)
			want = append(want, rs[k].ID)
		}
		last := Append(t, log, rs...)
		for k := range rs {
			p := last
			p.Index -= uint32(n - 1 - k)
			places = append(places, p)
		}
	}
	got, _ := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{}))
	if !reflect.DeepEqual(IDs(got), want) {
		t.Fatalf("got %d records in another order than the %d appended", len(got), len(want))
	}
	for i := range got {
		if got[i].Position != places[i] {
			t.Fatalf("record %s lies at %v, Append's answer said %v", got[i].ID, got[i].Position, places[i])
		}
	}
}

func testRoundTrip(t *testing.T, log eventlog.Log) {
	rs := []millrace.Record{
		Record("plain"),
		{ID: "bare", Workspace: "w", Received: time.UnixMilli(0).UTC(), Occurred: time.UnixMilli(-1).UTC()},
		{ID: "\x00\xff", Workspace: "ü", Source: "\n", Stream: "注文完了", Op: millrace.OpDelete, Key: " ", Body: []byte("no JSON \xff\x00"), Meta: []byte(" ")},
		Record("large"),
	}
	rs[2].Received, rs[2].Occurred = rs[0].Received, time.Date(9999, 1, 2, 3, 4, 5, 6e6, time.UTC)
	rs[3].Body = bytes.Repeat([]byte(`{"a":1}`), 70_000)
	for i := range rs {
		Append(t, log, rs[i])
	}
	Append(t, log, rs...)
	got, _ := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{}))
	if len(got) != 2*len(rs) {
		t.Fatalf("%d records, want %d", len(got), 2*len(rs))
	}
	for i := range got {
		if want := rs[i%len(rs)]; !reflect.DeepEqual(got[i].Record, want) {
			t.Errorf("record %d:\n got %.300v\nwant %.300v", i, got[i].Record, want)
		}
	}
}

func testNoReference(t *testing.T, log eventlog.Log) {
	rs := Records("r", 20)
	for i := range rs {
		Append(t, log, rs[i])
	}
	Append(t, log, rs...)
	for i := range rs {
		clear(rs[i].Body)
		clear(rs[i].Meta)
		rs[i].ID = "changed"
	}
	got, _ := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{}))
	want := Records("r", 20)
	for i := range got {
		if !reflect.DeepEqual(got[i].Record, want[i%20]) {
			t.Fatalf("record %d changed with the caller's memory: %+v", i, got[i].Record)
		}
	}
}

func testBatchIsCallers(t *testing.T, log eventlog.Log) {
	want := Records("r", 20)
	for i := range want {
		Append(t, log, want[i])
	}
	for range 3 {
		got, _ := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{}))
		for i := range got {
			if !reflect.DeepEqual(got[i].Record, want[i]) {
				t.Fatalf("record %d was changed through an earlier batch: %+v", i, got[i].Record)
			}
		}
		for i := range got {
			_ = append(got[i].Body, "overwritten by append"...)
			_ = append(got[i].Meta, "overwritten by append"...)
			got[i].Record = millrace.Record{}
		}
	}
}

func testRefused(t *testing.T, log eventlog.Log) {
	noID, noWorkspace, longWorkspace, badOp := Record(""), Record("a"), Record("b"), Record("c")
	noWorkspace.Workspace = ""
	longWorkspace.Workspace = strings.Repeat("w", eventlog.MaxWorkspaceLength+1)
	badOp.Op = millrace.OpDelete + 1
	for name, rs := range map[string][]millrace.Record{
		"nothing": {}, "no ID": {Record("x"), noID}, "no workspace": {noWorkspace}, "long workspace": {longWorkspace}, "bad op": {badOp},
	} {
		_, err := log.Append(Context(t), rs)
		wantKind(t, name, err, millrace.Invalid)
	}
	if got, _ := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{})); len(got) != 0 {
		t.Errorf("%d records of refused appends are there", len(got))
	}
}

func testLimits(t *testing.T, log eventlog.Log) {
	rs := Records("many", eventlog.MaxAppendRecords+1)
	_, err := log.Append(Context(t), rs)
	wantKind(t, "too many records", err, millrace.TooLarge)
	Append(t, log, rs[1:]...)

	large := Record("large")
	large.Body = make([]byte, eventlog.MaxAppendSizeBytes)
	_, err = log.Append(Context(t), []millrace.Record{large})
	wantKind(t, "too large", err, millrace.TooLarge)
	large.Body = large.Body[:eventlog.MaxAppendSizeBytes-(eventlog.Size(&large)-len(large.Body))]
	for i := range large.Body {
		large.Body[i] = byte(i * i >> 7) // does not compress to nothing
	}
	Append(t, log, large)

	got, _ := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{}))
	if len(got) != len(rs) || !bytes.Equal(got[len(got)-1].Body, large.Body) {
		t.Errorf("%d records, want %d", len(got), len(rs))
	}
}

func testCanceled(t *testing.T, log eventlog.Log) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := log.Append(ctx, Records("c", 1)); err != nil {
		wantKind(t, "Append with a canceled context", err, millrace.Canceled)
	}
	r := Open(t, log, millrace.Position{}, eventlog.Filter{})
	ReadToEnd(t, r)
	_, err := r.Next(ctx)
	wantKind(t, "Next with a canceled context", err, millrace.Canceled)
	ctx, cancel = context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = r.Next(ctx)
	wantKind(t, "Next with a deadline", err, millrace.Canceled)
	// The reader is as good as before.
	Append(t, log, Record("after"))
	if got, _ := ReadToEnd(t, r); len(got) == 0 || got[len(got)-1].ID != "after" {
		t.Errorf("after a canceled Next got %v", IDs(got))
	}
}

func testConcurrent(t *testing.T, log eventlog.Log) {
	const writers, each = 16, 40
	r := Open(t, log, millrace.Position{}, eventlog.Filter{})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			var before millrace.Position
			for i := range each {
				rs := Records(fmt.Sprintf("%d-%d", w, i), 1+i%4)
				last, err := log.Append(Context(t), rs)
				if err != nil {
					t.Error(err)
					return
				}
				if !before.Before(last) {
					t.Errorf("append %d went to %v, the one before to %v", i, last, before)
				}
				before = last
			}
		})
	}
	got := ReadN(t, r, writers*each*10/4)
	wg.Wait()
	next := map[string]string{} // writer → record that must come next
	for w := range writers {
		next[fmt.Sprint(w)] = fmt.Sprintf("%d-0-0", w)
	}
	for i, e := range got {
		var w, a, k int
		if _, err := fmt.Sscanf(e.ID, "%d-%d-%d", &w, &a, &k); err != nil {
			t.Fatal(err)
		}
		if next[fmt.Sprint(w)] != e.ID {
			t.Fatalf("record %s came, expected %s of writer %d", e.ID, next[fmt.Sprint(w)], w)
		}
		if k > 0 && (got[i-1].Position.Seq != e.Position.Seq || got[i-1].Position.Index+1 != e.Position.Index) {
			t.Fatalf("record %s at %v does not lie next to the one before it in its append", e.ID, e.Position)
		}
		if k++; k == 1+a%4 {
			a, k = a+1, 0
		}
		next[fmt.Sprint(w)] = fmt.Sprintf("%d-%d-%d", w, a, k)
	}
}
