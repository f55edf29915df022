package collect

import (
	"crypto/hmac"
	"crypto/sha1" // #nosec G505 -- some vendors sign with HMAC-SHA-1
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/unit"
)

// A Signature says how the vendor of a webhook signs: with an HMAC over the
// body, or over a time and the body.
type Signature struct {
	Header    string `yaml:"header" required:"true"`                               // that holds it, such as X-Hub-Signature-256
	Algorithm string `yaml:"algorithm" enum:"sha256,sha1,sha512" default:"sha256"` // sha256 (default), sha1 or sha512
	Encoding  string `yaml:"encoding" enum:"hex,base64" default:"hex"`             // hex (default) or base64
	Prefix    string `yaml:"prefix"`                                               // before the signature, such as sha256= or v1=
	// Secret is the key of the signature, as a reference: ${secret:github}.
	Secret unit.Secret `yaml:"secret" required:"true"`
	// TimestampHeader holds the time of signing in seconds (or, as Stripe does,
	// t=<seconds> among other things). Default: the time is not signed.
	TimestampHeader string        `yaml:"timestamp_header"`
	Tolerance       unit.Duration `yaml:"tolerance" default:"5m"` // how old it may be; default 5m
	// Payload is what is signed, of {timestamp}, {body} and {header:name};
	// default "{timestamp}.{body}" with a TimestampHeader, otherwise "{body}".
	Payload string `yaml:"payload"`
}

var algorithms = map[string]func() hash.Hash{
	"": sha256.New, "sha256": sha256.New, "sha1": sha1.New, "sha512": sha512.New,
}

func (s *Signature) validate(errs *fieldErrors) {
	if s.Header == "" {
		errs.add("signature.header", "the header that holds the signature is missing")
	}
	if s.Secret == "" {
		errs.add("signature.secret", "the secret is missing: refer to it as ${secret:name}")
	}
	if algorithms[s.Algorithm] == nil {
		errs.add("signature.algorithm", "%.40q is not known: choose sha256, sha1 or sha512", s.Algorithm)
	}
	if s.Encoding != "" && s.Encoding != "hex" && s.Encoding != "base64" {
		errs.add("signature.encoding", "%.40q is not known: choose hex or base64", s.Encoding)
	}
	if s.Tolerance != 0 && s.TimestampHeader == "" {
		errs.add("signature.tolerance", "a tolerance needs timestamp_header")
	}
	if s.Payload != "" && !signs(s.Payload, "body") {
		errs.add("signature.payload", "what is signed has to hold {body}")
	}
	if s.TimestampHeader != "" && s.Payload != "" && !signs(s.Payload, "timestamp") {
		errs.add("signature.payload", "with timestamp_header, what is signed has to hold {timestamp}: otherwise anybody could change it")
	}
}

// signs says whether a payload holds that part, as sign reads it.
func signs(payload, part string) bool {
	for {
		_, rest, open := strings.Cut(payload, "{")
		name, after, closed := strings.Cut(rest, "}")
		if !open || !closed {
			return false
		}
		if name == part {
			return true
		}
		payload = after
	}
}

// check returns "" when the body is signed well, otherwise why not.
func (s *Signature) check(header http.Header, body []byte, now time.Time) (message string, why refused) {
	value := header.Get(s.Header)
	if value == "" {
		return "the signature is missing: it has to be in the header " + s.Header, refusedNoSignature
	}
	stamp := ""
	if s.TimestampHeader != "" {
		stamp = signedTime(header.Get(s.TimestampHeader))
		seconds, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil {
			return "the time of signing is missing: it has to be in the header " + s.TimestampHeader + ", in seconds", refusedTime
		}
		if seconds > 1e11 {
			seconds /= 1000
		}
		tolerance := time.Duration(s.Tolerance)
		if tolerance == 0 {
			tolerance = 5 * time.Minute
		}
		if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
			return "the signature is older than the tolerance allows, which is " + unit.Duration(tolerance).String() + ", or the clocks differ", refusedTime
		}
	}
	mac := hmac.New(algorithms[s.Algorithm], []byte(s.Secret.Reveal()))
	s.sign(mac, header, stamp, body)
	want := mac.Sum(nil)
	for _, part := range strings.Fields(value) {
		if s.matches(part, want) {
			return "", 0
		}
		for _, piece := range strings.Split(part, ",") {
			if s.matches(piece, want) {
				return "", 0
			}
		}
	}
	return "the signature does not match the body: check secret, algorithm, encoding, prefix and payload of the source", refusedSignature
}

// Sign signs a test delivery to a webhook as its vendor would: it sets the
// headers that the signature and the time of signing are in, and those that are
// signed too. NotFound: there is no such webhook; Conflict: it wants no signature.
func (h *Handler) Sign(workspace, name string, header http.Header, body []byte) error {
	src := h.webhook(workspace, name)
	if src == nil {
		return millrace.Errorf(millrace.NotFound, "there is no webhook %.80q", name)
	}
	s := src.webhook.signature
	if s == nil {
		return millrace.Errorf(millrace.Conflict, "webhook %s is sent to with a write key, not signed", name)
	}
	now := h.now()
	stamp := strconv.FormatInt(now.Unix(), 10)
	for rest := s.Payload; ; {
		_, after, found := strings.Cut(rest, "{header:")
		signed, next, closed := strings.Cut(after, "}")
		if !found || !closed {
			break
		}
		if header.Get(signed) == "" {
			header.Set(signed, "test-"+strconv.FormatInt(now.UnixNano(), 10))
		}
		rest = next
	}
	if s.TimestampHeader != "" {
		header.Set(s.TimestampHeader, stamp)
	}
	mac := hmac.New(algorithms[s.Algorithm], []byte(s.Secret.Reveal()))
	s.sign(mac, header, stamp, body)
	signature := hex.EncodeToString(mac.Sum(nil))
	if s.Encoding == "base64" {
		signature = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	if signature = s.Prefix + signature; strings.EqualFold(s.Header, s.TimestampHeader) {
		signature = "t=" + stamp + "," + signature
	}
	header.Set(s.Header, signature)
	return nil
}

// signedTime returns the seconds of "1700000000" or of "t=1700000000,v1=…".
func signedTime(value string) string {
	for _, part := range strings.Split(value, ",") {
		part = strings.TrimSpace(part)
		if t, ok := strings.CutPrefix(part, "t="); ok {
			return t
		}
	}
	return strings.TrimSpace(value)
}

// sign writes what is signed.
func (s *Signature) sign(w hash.Hash, header http.Header, stamp string, body []byte) {
	payload := s.Payload
	if payload == "" {
		if payload = "{body}"; s.TimestampHeader != "" {
			payload = "{timestamp}.{body}"
		}
	}
	for payload != "" {
		open := strings.IndexByte(payload, '{')
		end := strings.IndexByte(payload, '}')
		if open < 0 || end < open {
			w.Write([]byte(payload))
			return
		}
		w.Write([]byte(payload[:open]))
		switch name := payload[open+1 : end]; {
		case name == "body":
			w.Write(body)
		case name == "timestamp":
			w.Write([]byte(stamp))
		case strings.HasPrefix(name, "header:"):
			w.Write([]byte(header.Get(name[len("header:"):])))
		default:
			w.Write([]byte(payload[open : end+1]))
		}
		payload = payload[end+1:]
	}
}

func (s *Signature) matches(text string, want []byte) bool {
	text, ok := strings.CutPrefix(text, s.Prefix)
	if !ok || text == "" || len(text) > 512 {
		return false
	}
	var got []byte
	var err error
	if s.Encoding == "base64" {
		got, err = base64.StdEncoding.DecodeString(text)
	} else {
		got, err = hex.DecodeString(text)
	}
	return err == nil && hmac.Equal(got, want)
}
