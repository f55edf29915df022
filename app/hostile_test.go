package app_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"testing"
)

// hostileArchives are archives that nobody means well with, by what is wrong.
func hostileArchives(t *testing.T, bomb string) map[string][]byte {
	t.Helper()
	tarred := func(headers ...tar.Header) []byte {
		var out bytes.Buffer
		zipped := gzip.NewWriter(&out)
		w := tar.NewWriter(zipped)
		for _, h := range append([]tar.Header{{Name: "millrace.yaml", PAXRecords: map[string]string{"comment": "name: shop\n"}}}, headers...) {
			text := []byte(h.PAXRecords["comment"])
			h.PAXRecords, h.Mode = nil, 0o644
			if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
				h.Size = int64(len(text))
			}
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(text[:h.Size]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := zipped.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	text := func(s string) map[string]string { return map[string]string{"comment": s} }
	zips := func(names ...string) []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		for _, name := range names {
			f, err := w.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte("name: shop\n")); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	var zeros bytes.Buffer
	zipped := gzip.NewWriter(&zeros)
	chunk := make([]byte, 1<<20)
	for range 300 {
		if _, err := zipped.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("x"), 9<<20)
	return map[string][]byte{
		"nothing":         {},
		"no archive":      []byte("PK no archive"),
		"traversal":       tarred(tar.Header{Name: "../../etc/cron.d/x", PAXRecords: text("x")}),
		"deep traversal":  tarred(tar.Header{Name: "sources/../../x.yaml", PAXRecords: text("x")}),
		"absolute":        tarred(tar.Header{Name: "/etc/passwd", PAXRecords: text("x")}),
		"backslashes":     tarred(tar.Header{Name: `..\..\x.yaml`, PAXRecords: text("x")}),
		"symbolic link":   tarred(tar.Header{Name: "sources/a.yaml", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}),
		"hard link":       tarred(tar.Header{Name: "sources/a.yaml", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}),
		"device":          tarred(tar.Header{Name: "sources/a.yaml", Typeflag: tar.TypeChar}),
		"twice":           tarred(tar.Header{Name: "a.md", PAXRecords: text("x")}, tar.Header{Name: "a.md", PAXRecords: text("y")}),
		"only by case":    tarred(tar.Header{Name: "a.md", PAXRecords: text("x")}, tar.Header{Name: "A.md", PAXRecords: text("y")}),
		"zip slip":        zips("millrace.yaml", "../x.yaml"),
		"absolute in zip": zips("millrace.yaml", "/x.yaml"),
		"zip bomb":        zeros.Bytes(),
		"large file":      tarred(tar.Header{Name: "a.md", PAXRecords: text(string(large))}),
		"YAML bomb":       tarred(tar.Header{Name: "sources/web.yaml", PAXRecords: text(bomb)}),
		"deep YAML":       tarred(tar.Header{Name: "sources/web.yaml", PAXRecords: text("kind: http\nwrite_keys: " + string(bytes.Repeat([]byte("["), 100_000)))}),
		"no project":      tarred()[:20],
	}
}
