package main

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A field is a place in a request that is written anew for every event, so that
// events differ as real ones do while making one costs less than a microsecond.
type field byte

const (
	fieldID        field = iota // 36 bytes: a UUID, never the same twice
	fieldUser                   // 6 digits, some users far more often than others
	fieldAnonymous              // 32 hex digits, the same for the same user
	fieldTime                   // 24 bytes: now
	fieldProduct                // 5 digits
	fieldOrder                  // 10 digits, rising
	fieldPrice                  // 3 digits without a leading zero
	fieldCents                  // 2 digits
	fieldQuantity               // 1 digit from 1 to 9
	fieldUnread                 // 1 digit from 1 to 9
	fields
)

var widths = [fields]int{36, 6, 32, 24, 5, 10, 3, 2, 1, 1}

const timeLayout = "2006-01-02T15:04:05.000Z"

type blank struct {
	offset int
	field  field
}

// A template is bytes with blanks in them: a request, or one event.
type template struct {
	bytes  []byte
	blanks []blank
	events []int // the index in blanks where each event begins
}

// parse reads text in which "‹n›" stands for field n.
func (t *template) parse(text string) {
	for {
		before, rest, found := strings.Cut(text, "‹")
		t.bytes = append(t.bytes, before...)
		if !found {
			return
		}
		number, after, _ := strings.Cut(rest, "›")
		n, err := strconv.Atoi(number)
		if err != nil || n >= int(fields) {
			panic("bench: bad field " + number)
		}
		t.blanks = append(t.blanks, blank{len(t.bytes), field(n)})
		t.bytes = append(t.bytes, make([]byte, widths[n])...)
		text = after
	}
}

// eventName is the i-th of up to 50 names.
func eventName(i int) string {
	things := []string{"Product", "Cart", "Order", "Checkout", "Coupon", "Wishlist", "Search", "Account", "Review", "Delivery"}
	return things[i%10] + " " + []string{"Viewed", "Added", "Completed", "Removed", "Shared"}[i/10%5]
}

// tableName is the event's table in the warehouse.
func tableName(i int) string {
	return strings.ReplaceAll(strings.ToLower(eventName(i)), " ", "_")
}

// eventText is an event of about 800 bytes with the i-th name, as a shop's page
// sends it: thirteen properties, two of which depend on the name.
func eventText(i int) string {
	return fmt.Sprintf(`{"type":"track","event":%q,"messageId":"‹0›","userId":"user_‹1›","anonymousId":"‹2›","timestamp":"‹3›",`+
		`"properties":{"product_id":"sku-‹4›","name":"White hanging heart t-light holder ‹4›","order_id":"o-‹5›","price":‹6›.‹7›,"quantity":‹8›,"currency":"GBP","category":"decoration/%d","coupon":null,"in_stock":%t,"list":"recommended for you","position":‹9›,"%s_kind":"standard","%s_step":‹8›},`+
		`"context":{"library":{"name":"analytics.js","version":"next-1.70.0"},"page":{"url":"https://shop.example.com/products/‹4›","path":"/products/‹4›","title":"Product ‹4›"},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","locale":"en-GB"}}`,
		eventName(i), i%7, i%4 > 0, tableName(i), tableName(i))
}

// begin notes that the blanks that follow belong to a new event.
func (t *template) begin() { t.events = append(t.events, len(t.blanks)) }

const writeKey = "bench_2026"

func (t *template) head(path string, length int) {
	t.parse(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: analytics-node/2.2.0\r\nAuthorization: Basic YmVuY2hfMjAyNjo=\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, length))
}

func body(parts ...string) (t template) {
	for _, p := range parts {
		t.parse(p)
	}
	return t
}

// singleRequest is one event in a request.
func singleRequest(name int) *template {
	t := &template{}
	text := eventText(name)
	t.head("/v1/track", len(body(text).bytes))
	t.begin()
	t.parse(text)
	return t
}

// batchRequest is n events in a request, with the names from first on in turn.
func batchRequest(first, names, n int) *template {
	items := make([]string, n)
	for i := range items {
		items[i] = eventText((first + i) % names)
	}
	const open, end = `{"batch":[`, `]}`
	t := &template{}
	t.head("/v1/batch", len(body(open, strings.Join(items, ","), end).bytes))
	t.parse(open)
	for i, item := range items {
		if i > 0 {
			t.parse(",")
		}
		t.begin()
		t.parse(item)
	}
	t.parse(end)
	return t
}

// serial numbers the events of this process; run keeps those of two processes apart.
var (
	serial atomic.Uint64
	run    = uint64(time.Now().UnixNano())
)

// mix is splitmix64.
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// fill makes new events of the template's.
func (t *template) fill(now time.Time) {
	var room [48]byte
	stamp := now.UTC().AppendFormat(room[:0], timeLayout)
	first := serial.Add(uint64(len(t.events))) - uint64(len(t.events))
	for i, begin := range t.events {
		end := len(t.blanks)
		if i+1 < len(t.events) {
			end = t.events[i+1]
		}
		t.fillEvent(t.blanks[begin:end], first+uint64(i), stamp)
	}
}

func (t *template) fillEvent(blanks []blank, n uint64, stamp []byte) {
	r := mix(n)
	user := r % 200_000
	if r>>32&1 == 0 {
		user %= 5_000 // half of the events come from one user in forty
	}
	for _, b := range blanks {
		out := t.bytes[b.offset : b.offset+widths[b.field]]
		switch b.field {
		case fieldID:
			uuid(out, mix(n^run), mix(^n^run))
		case fieldUser:
			digits(out, user)
		case fieldAnonymous:
			hexDigits(out[:16], mix(user))
			hexDigits(out[16:], mix(^user))
		case fieldTime:
			copy(out, stamp)
		case fieldProduct:
			digits(out, r>>8%4000)
		case fieldOrder:
			digits(out, n)
		case fieldPrice:
			digits(out, 100+r>>16%900)
		case fieldCents:
			digits(out, r>>24%100)
		case fieldQuantity:
			digits(out, 1+r>>20%9)
		case fieldUnread:
			digits(out, 1+r>>28%9)
		}
	}
}

func digits(out []byte, n uint64) {
	for i := len(out) - 1; i >= 0; i-- {
		out[i], n = '0'+byte(n%10), n/10
	}
}

func hexDigits(out []byte, n uint64) {
	var raw [8]byte
	for i := range raw {
		raw[i] = byte(n >> (8 * i))
	}
	hex.Encode(out, raw[:])
}

func uuid(out []byte, a, b uint64) {
	var text [32]byte
	hexDigits(text[:16], a)
	hexDigits(text[16:], b)
	copy(out, text[:8])
	copy(out[9:], text[8:12])
	copy(out[14:], text[12:16])
	copy(out[19:], text[16:20])
	copy(out[24:], text[20:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	out[14], out[19] = '4', 'a'
}
