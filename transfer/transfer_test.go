package transfer

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob/local"
	"github.com/millrace/millrace/eventlog"
)

func entry(id, source, body string, day int) *eventlog.Entry {
	at := time.Date(2026, 11, day, 12, 0, 0, 123_000_000, time.UTC)
	return &eventlog.Entry{Time: at, Position: millrace.Position{Epoch: 1, Seq: uint64(day)}, Record: millrace.Record{
		ID: id, Workspace: "default", Source: source, Stream: "track:Seen <a>", Key: "u&1", Received: at, Occurred: at.Add(-time.Second), Body: []byte(body), Meta: []byte(`{"a": "<b>"}`)}}
}

// TestRecordsComeBack writes records of all kinds and reads them: bodies byte for
// byte, but for line ends between values.
func TestRecordsComeBack(t *testing.T) {
	t.Parallel()
	b, err := local.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	w, err := NewWriter(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	all := []*eventlog.Entry{
		entry("1", "web", `{"n": 1.50,  "x":"<&>"}`, 20), entry("2", "shop/eu", `{"n":9007199254740993}`, 20),
		entry("3\xff", "web", "{\"bad\":\"\xff\"}", 20), entry("4", "web", `not json`, 21), entry("5", "web", "", 21),
	}
	all[1].Op, all[4].Meta = millrace.OpDelete, nil
	want := map[string]millrace.Record{}
	for _, e := range all {
		want[e.ID] = e.Record
		if err := w.Add(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	pretty := entry("6", "web", "{\n  \"n\": [1,\r\n 2]\n}", 21)
	if err := w.Add(t.Context(), pretty); err != nil {
		t.Fatal(err)
	}
	compact := pretty.Record
	compact.Body = []byte(`{"n":[1,2]}`)
	want["6"] = compact
	about, err := w.Finish(t.Context(), time.Now(), millrace.Position{Epoch: 1, Seq: 9})
	if err != nil || about.Records != 6 || about.Files != 3 {
		t.Fatal(about, err)
	}
	days := ""
	if _, err := Read(t.Context(), b, func(r millrace.Record) error {
		days += fmt.Sprint(r.Received.Day())
		w := want[r.ID]
		if len(r.Body) == 0 && len(w.Body) == 0 {
			r.Body, w.Body = nil, nil
		}
		if !reflect.DeepEqual(r, w) {
			t.Errorf("%q: got\n%+v, want\n%+v", r.ID, r, w)
		}
		delete(want, r.ID)
		return nil
	}); err != nil || len(want) > 0 {
		t.Errorf("%v; missing are %v", err, want)
	}
	if days != "202020212121" {
		t.Errorf("the days are %s", days)
	}
	if _, err := NewWriter(t.Context(), b); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("into a place that is not empty: %v", err)
	}
	if err := b.Delete(t.Context(), "records/default/web/2026-11-21-00001.ndjson.gz"); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), b, func(millrace.Record) error { return nil }); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("with a file missing: %v", err)
	}
	if err := b.Put(t.Context(), AboutKey, strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), b, func(millrace.Record) error { return nil }); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("with another file in its place: %v", err)
	}
}

func FuzzReadLine(f *testing.F) {
	f.Add(bytes.TrimSpace(AppendLine(nil, entry("1", "web", `{"a":1}`, 20))))
	f.Add(bytes.TrimSpace(AppendLine(nil, entry("\xff", "web", "x", 20))))
	f.Add([]byte(`{"id":1}`))
	f.Add([]byte(`{"id":"a","workspace":"w","source":"s","stream":"x","op":"event","exact":{"id":"*"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ReadLine(text)
		if err != nil {
			return
		}
		again, err := ReadLine(bytes.TrimSpace(AppendLine(nil, &eventlog.Entry{Record: r})))
		if err == nil && (again.ID != r.ID || again.Stream != r.Stream || again.Op != r.Op) {
			t.Errorf("%+v became %+v", r, again)
		}
	})
}
