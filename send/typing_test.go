package send

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/terminal"
)

func TestColumnTypes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []string
		want   columnType
	}{
		"nothing":                   {[]string{"", ""}, typeNone},
		"booleans":                  {[]string{"True", "false", "", "TRUE"}, typeBool},
		"t and f are text":          {[]string{"t", "f"}, typeText},
		"booleans and numbers":      {[]string{"true", "1"}, typeText},
		"integers":                  {[]string{"1", "-5", "0", "9223372036854775807"}, typeInteger},
		"leading zeros":             {[]string{"1", "007"}, typeText},
		"minus zero":                {[]string{"-0"}, typeText},
		"plus":                      {[]string{"+1"}, typeText},
		"too large for 64 bits":     {[]string{"9223372036854775808"}, typeText},
		"doubles":                   {[]string{"1.5", "2", "-0.25", "145.79999999999998"}, typeDouble},
		"a float that is integral":  {[]string{"13085.0"}, typeDouble},
		"18 digits":                 {[]string{"0.123456789012345678"}, typeText},
		"zeros in front":            {[]string{"0.00012345678901234567"}, typeDouble},
		"exponents with a sign":     {[]string{"1e-7", "1.5E+3"}, typeDouble},
		"part numbers":              {[]string{"12E5", "1e05"}, typeText},
		"over what a double holds":  {[]string{"1.0e400"}, typeText},
		"under what a double holds": {[]string{"1.0e-400"}, typeText},
		"wide integer, then double": {[]string{"9007199254740993", "0.5"}, typeText},
		"double, then wide integer": {[]string{"0.5", "9007199254740993"}, typeText},
		"not numbers":               {[]string{"NaN"}, typeText},
		"dates":                     {[]string{"2011-01-01"}, typeText},
		"points":                    {[]string{"1."}, typeText},
		"dot first":                 {[]string{".5"}, typeText},
		"hexadecimal":               {[]string{"0x1F"}, typeText},
		"spaces":                    {[]string{" 1"}, typeText},
		"underscores":               {[]string{"1_000"}, typeText},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var col column
			for _, v := range c.values {
				col.observe([]byte(v))
			}
			if col.kind != c.want {
				t.Errorf("%q: %v, want %v", c.values, col.kind, c.want)
			}
		})
	}
}

func TestAppendValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value string
		kind  columnType
		want  string
	}{
		{"True", typeBool, "true"}, {"maybe", typeBool, `"maybe"`},
		{"5", typeInteger, "5"}, {"5.5", typeInteger, `"5.5"`}, {"05", typeInteger, `"05"`},
		{"5", typeDouble, "5.0"}, {"505.3", typeDouble, "505.3"}, {"x", typeDouble, `"x"`}, {"9007199254740993", typeDouble, `"9007199254740993"`},
		{"5", typeText, `"5"`}, {"a\"\n\x00é", typeText, `"a\"\n\u0000é"`}, {"x", typeNone, `"x"`},
	} {
		if got := string(appendValue(nil, []byte(c.value), c.kind)); got != c.want {
			t.Errorf("%q as %v: %s, want %s", c.value, c.kind, got, c.want)
		}
	}
}

func TestIntegral(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"13085.0": "13085", "13085": "13085", "13085.00": "13085", "1.5": "1.5", "-7.0": "-7", "a.0": "a.0",
		".0": ".0", "5.": "5.", "-.0": "-.0", "1.0.0": "1.0.0", "": "", "1e3.0": "1e3.0"} {
		if got := string(integral([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// surveyed reads a file's columns as sending it would.
func surveyed(t *testing.T, path string, o Options) *plan {
	t.Helper()
	o.Screen = terminal.New(terminal.Options{Err: os.Stderr, Quiet: true})
	o.Delimiter = ','
	zone, err := o.zone()
	if err != nil {
		t.Fatal(err)
	}
	in, err := openInput(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	p := &plan{options: o, event: eventName(path), zone: zone, input: in}
	if err := p.survey(context.Background()); err != nil {
		t.Fatal(err)
	}
	return p
}

const shopData = "../examples/shop/data"

func TestRealFiles(t *testing.T) {
	t.Parallel()
	for file, c := range map[string]struct {
		options Options
		rows    int64
		types   string
		ids     int // distinct
		first   string
	}{
		"orders.csv": {Options{Source: "shop", ID: "invoice_id", User: "customer_id", Time: "invoice_date", TimeZone: "Europe/London"}, 54716,
			"text text integer boolean integer integer double", 53628,
			`{"type":"track","event":"orders","messageId":"489434","userId":"13085","timestamp":"2009-12-01T07:45:00Z","properties":{"invoice_id":"489434","invoice_date":"12/1/09 7:45","customer_id":13085,"domestic_sale":true,"item_types_purchased":8,"total_quantity":166,"total_price":505.3}}`},
		"items.csv": {Options{Source: "shop", User: "CustomerID", Time: "InvoiceDate", TimeFormat: "M/D/YY H:MM", TimeZone: "Europe/London"}, 14594,
			"text text text integer text double integer text", 14594,
			`{"type":"track","event":"items","messageId":"` + firstItemID + `","userId":"17850","timestamp":"2010-12-01T08:26:00Z","properties":{"InvoiceNo":"536365","StockCode":"85123A","Description":"WHITE HANGING HEART T-LIGHT HOLDER","Quantity":6,"InvoiceDate":"12/1/10 8:26","UnitPrice":2.55,"CustomerID":17850,"Country":"United Kingdom"}}`},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			p := surveyed(t, filepath.Join(shopData, file), c.options)
			var types []string
			for _, col := range p.columns {
				types = append(types, col.kind.String())
			}
			if got := strings.Join(types, " "); got != c.types || p.rows != c.rows {
				t.Errorf("%d rows of %s; want %d of %s", p.rows, got, c.rows, c.types)
			}
			r, err := p.reader()
			if err != nil {
				t.Fatal(err)
			}
			e := p.encoder()
			ids := map[string]bool{}
			for n := int64(0); n < c.rows; n++ {
				event, line, refused, err := r.next(e, nil)
				if err != nil || refused != nil {
					t.Fatalf("line %d: %v, %v", line, refused, err)
				}
				if n == 0 && string(event) != c.first {
					t.Errorf("first row:\n%s\nwant\n%s", event, c.first)
				}
				id, err := scalar(event, "messageId")
				if err != nil {
					t.Fatal(err)
				}
				ids[string(id)] = true
			}
			if len(ids) != c.ids {
				t.Errorf("%d distinct IDs, want %d", len(ids), c.ids)
			}
		})
	}
}

// firstItemID must never change: it is what keeps a file that is sent again
// from being counted again.
const firstItemID = "a8056881d401a94f4151a1b0e2f15d16"

func TestMadeID(t *testing.T) {
	t.Parallel()
	e := newEncoder(Options{Source: "shop"}, "e")
	first := string(e.madeID([]byte("a,b")))
	if second := string(e.madeID([]byte("a,b"))); first == second {
		t.Error("equal rows have the same ID")
	}
	again := newEncoder(Options{Source: "shop"}, "e")
	if got := string(again.madeID([]byte("a,b"))); got != first {
		t.Errorf("the same row of another run has %s, want %s", got, first)
	}
	for name, other := range map[string]*encoder{"source": newEncoder(Options{Source: "shope"}, ""), "event": newEncoder(Options{Source: "shop"}, "f")} {
		if got := string(other.madeID([]byte("a,b"))); got == first {
			t.Errorf("another %s has the same ID", name)
		}
	}
	// broken rows count, so that the IDs behind them do not depend on them
	rows := func(s string) (ids []string) {
		e := newEncoder(Options{Source: "shop"}, "e")
		e.names, e.types = [][]byte{[]byte(`"a"`)}, []columnType{typeText}
		c := newCSVReader(strings.NewReader(s), ',')
		for {
			row, err := c.next()
			if err != nil {
				return ids
			}
			if event, err := e.csv(nil, row); err == nil {
				id, _ := scalar(event, "messageId")
				ids = append(ids, string(id))
			}
		}
	}
	if a, b := rows("x\nx\ny\n"), rows("x\r\n\"y\"z\r\nx\r\ny"); !slices.Equal(a, b) {
		t.Errorf("%q and %q differ", a, b)
	}
}

func TestStreamTypes(t *testing.T) {
	t.Parallel()
	// what follows the rows that types are decided on is text where it does not fit
	var b strings.Builder
	b.WriteString("n\n")
	for range streamRows {
		b.WriteString("1\n")
	}
	b.WriteString("x\n2\n")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = w.WriteString(b.String())
		w.Close()
	}()
	in := &input{name: "standard input", file: r, stream: true}
	p := &plan{options: Options{Screen: terminal.New(terminal.Options{Quiet: true}), Delimiter: ','}, event: "e", zone: time.UTC, input: in}
	if err := p.survey(context.Background()); err != nil {
		t.Fatal(err)
	}
	rows, err := p.reader()
	if err != nil {
		t.Fatal(err)
	}
	e := p.encoder()
	var last []string
	for range streamRows + 2 {
		event, _, refused, err := rows.next(e, nil)
		if err != nil || refused != nil {
			t.Fatal(refused, err)
		}
		last = append(last, string(member(event, "properties").Raw))
	}
	if got := last[streamRows-1:]; !slices.Equal(got, []string{`{"n":1}`, `{"n":"x"}`, `{"n":2}`}) {
		t.Errorf("%q", got)
	}
}
