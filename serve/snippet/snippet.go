// Package snippet writes the lines that send a first event to a source, in the
// languages that people send from. Each works as it stands when it is pasted,
// without anything to install.
package snippet

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/millrace/millrace"
)

// A Source is what snippets send to.
type Source struct {
	Name    string
	Webhook bool   // takes what a vendor posts
	Key     string // a write key; "" when deliveries are signed
	Address string // of the server, such as https://collect.example.com
	// Header, Prefix, Algorithm (sha256 …) and Encoding (hex, base64) are of the
	// signature of a webhook; Timestamped says that a time is signed too.
	Header, Prefix, Algorithm, Encoding string
	Timestamped                         bool
}

// A Snippet is code that sends an event.
type Snippet struct {
	ID       string `json:"id" enum:"curl,browser,node,go,python,ruby,webhook" doc:"Where it sends from."`
	Title    string `json:"title" example:"Python" doc:"For people."`
	Language string `json:"language" enum:"sh,html,javascript,go,python,ruby,text" doc:"What it is written in."`
	File     string `json:"file,omitempty" example:"hello.py" doc:"A file to put it into."`
	Run      string `json:"run,omitempty" example:"python3 hello.py" doc:"What runs that file."`
	Code     string `json:"code" doc:"The code, with the source's key and the server's address."`
	Note     string `json:"note,omitempty" doc:"What goes on from here."`
}

// plainHost is what a host may look like to be written into code.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.\-_]+(:[0-9]+)?$|^\[[0-9A-Fa-f:.]+\](:[0-9]+)?$`)

// CheckAddress returns an address as snippets have it, or Invalid: it is written
// into code, and so may hold a scheme and a host only.
func CheckAddress(address string) (string, error) {
	u, err := url.Parse(strings.TrimSuffix(address, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !plainHost.MatchString(u.Host) || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", millrace.Errorf(millrace.Invalid, "%.80q is not the address of a server: write scheme and host, such as https://collect.example.com", address)
	}
	return u.Scheme + "://" + u.Host, nil
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_\-]+$`)

// All returns the snippets of a source. Invalid when its key or address are not
// plain, so that nothing that is written here can be anything but what it is.
func All(s Source) ([]Snippet, error) {
	address, err := CheckAddress(s.Address)
	if err != nil {
		return nil, err
	}
	if s.Key != "" && !plainKey.MatchString(s.Key) || !plainKey.MatchString(s.Name) {
		return nil, millrace.Errorf(millrace.Invalid, "the source %.80q or its key is not plain letters and digits", s.Name)
	}
	s.Address = address
	if s.Webhook {
		return s.webhooks(), nil
	}
	fill := strings.NewReplacer("ADDRESS", s.Address, "WRITE_KEY", s.Key)
	out := make([]Snippet, len(calls))
	for i, c := range calls {
		c.Code, c.Note = fill.Replace(c.Code), fill.Replace(c.Note)
		out[i] = c
	}
	return out, nil
}

func (s Source) webhooks() []Snippet {
	path := s.Address + "/v1/webhook/" + s.Name
	if s.Key != "" {
		return []Snippet{
			{ID: "webhook", Title: "Webhook", Language: "text", Code: path + "?writeKey=" + s.Key, Note: "Give this address to the service that is to post here, as its webhook."},
			{ID: "curl", Title: "curl", Language: "sh", Code: "curl " + path + " -u " + s.Key + ": \\\n  -H 'Content-Type: application/json' \\\n  -d '{\"action\": \"hello\", \"from\": \"curl\"}'\n"},
		}
	}
	out := []Snippet{{ID: "webhook", Title: "Webhook", Language: "text", Code: path,
		Note: "Give this address to the service that is to post here, with the secret that the source's file names: deliveries are signed in the header " + s.Header + "."}}
	code := SignedCurl(s, `{"action": "hello", "from": "curl"}`)
	if code == "" {
		return out
	}
	return append(out, Snippet{ID: "curl", Title: "curl", Language: "sh", Code: code, Note: "Put in the secret that the source's file names."})
}

var plainPrefix = regexp.MustCompile(`^[A-Za-z0-9_\-=,]*$`)

// Shell quotes a text for a shell.
func Shell(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// SignedCurl returns what signs a body and sends it to a webhook, with a place
// for the secret; "" when a time is signed too, or when the names in it are not
// plain.
func SignedCurl(s Source, body string) string {
	address, err := CheckAddress(s.Address)
	if err != nil || s.Timestamped || !plainKey.MatchString(s.Name) || !plainKey.MatchString(s.Header) || !plainPrefix.MatchString(s.Prefix) {
		return ""
	}
	sign := "openssl dgst -" + s.Algorithm + " -hmac \"$SECRET\" | sed 's/.* //'"
	if s.Encoding == "base64" {
		sign = "openssl dgst -" + s.Algorithm + " -hmac \"$SECRET\" -binary | base64 -w0"
	}
	return `SECRET='the secret of the webhook'
BODY=` + Shell(body) + `
SIGNATURE=$(printf %s "$BODY" | ` + sign + `)
curl ` + address + "/v1/webhook/" + s.Name + ` -H 'Content-Type: application/json' -H "` + s.Header + ": " + s.Prefix + `$SIGNATURE" -d "$BODY"
`
}

// calls are the snippets of sources that have keys.
var calls = []Snippet{
	{ID: "curl", Title: "curl", Language: "sh", Code: `curl ADDRESS/v1/track -u WRITE_KEY: \
  -H 'Content-Type: application/json' \
  -d '{"event": "Hello", "userId": "ada", "properties": {"from": "curl"}}'
`, Note: "The answer comes when the event is on disk."},
	{ID: "browser", Title: "Website", Language: "html", File: "hello.html", Code: `<script>
  !(function (key, host) {
    var a = (window.analytics = window.analytics || []);
    if (a.invoked || a.initialize) return;
    a.invoked = true;
    ["track", "page", "identify", "group", "alias", "screen", "reset", "ready", "on", "once", "off", "setAnonymousId", "trackLink", "trackForm"].forEach(function (name) {
      a[name] = function () {
        a.push([name].concat([].slice.call(arguments)));
        return a;
      };
    });
    var s = document.createElement("script");
    s.async = true;
    s.src = host + "/analytics.js/v1/" + key + "/analytics.min.js";
    document.head.appendChild(s);
  })("WRITE_KEY", "ADDRESS");
  analytics.page();
  analytics.track("Hello", { from: "browser" });
</script>
`, Note: "Put it into the head of every page. It loads the library from this server, and nothing from anywhere else."},
	{ID: "node", Title: "Node", Language: "javascript", File: "hello.mjs", Run: "node hello.mjs", Code: `const answer = await fetch("ADDRESS/v1/track", {
  method: "POST",
  headers: {
    Authorization: "Basic " + btoa("WRITE_KEY:"),
    "Content-Type": "application/json",
  },
  body: JSON.stringify({
    event: "Hello",
    userId: "ada",
    properties: { from: "node" },
  }),
});
if (!answer.ok) throw new Error(await answer.text());
`, Note: "In production use @segment/analytics-node with host: 'ADDRESS' and writeKey: 'WRITE_KEY': it sends in batches and tries again."},
	{ID: "go", Title: "Go", Language: "go", File: "hello.go", Run: "go run hello.go", Code: `package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
)

func main() {
	event := ` + "`" + `{"event": "Hello", "userId": "ada", "properties": {"from": "go"}}` + "`" + `
	request, err := http.NewRequest("POST", "ADDRESS/v1/track", strings.NewReader(event))
	if err != nil {
		log.Fatal(err)
	}
	request.SetBasicAuth("WRITE_KEY", "")
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		log.Fatal(answer.Status, " ", string(text), err)
	}
	fmt.Println(string(text))
}
`, Note: "In production use github.com/segmentio/analytics-go/v3 with Endpoint: \"ADDRESS\": it sends in batches and tries again."},
	{ID: "python", Title: "Python", Language: "python", File: "hello.py", Run: "python3 hello.py", Code: `import base64
import json
import urllib.request

event = {"event": "Hello", "userId": "ada", "properties": {"from": "python"}}
request = urllib.request.Request(
    "ADDRESS/v1/track",
    data=json.dumps(event).encode(),
    headers={
        "Authorization": "Basic " + base64.b64encode(b"WRITE_KEY:").decode(),
        "Content-Type": "application/json",
    },
)
with urllib.request.urlopen(request) as answer:
    print(answer.read().decode())
`, Note: "In production use segment-analytics-python with host='ADDRESS': it sends in batches and tries again."},
	{ID: "ruby", Title: "Ruby", Language: "ruby", File: "hello.rb", Run: "ruby hello.rb", Code: `require "json"
require "net/http"

uri = URI("ADDRESS/v1/track")
request = Net::HTTP::Post.new(uri, "Content-Type" => "application/json")
request.basic_auth("WRITE_KEY", "")
request.body = JSON.generate(event: "Hello", userId: "ada", properties: { from: "ruby" })
answer = Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https") { |http| http.request(request) }
raise answer.body unless answer.is_a?(Net::HTTPSuccess)
puts answer.body
`},
}
