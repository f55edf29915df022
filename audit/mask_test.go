package audit_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
)

type inner struct {
	Code  string `audit:"secret" json:"code"`
	Shown string `json:"shown"`
}

type outer struct {
	inner
	Pin2  string `audit:"secret"`
	List  []inner
	Map   map[string]inner
	Any   any
	Ptr   *inner
	None  *inner
	Empty string `audit:"secret"`
	Count int    `audit:"secret"`
}

func TestMasked(t *testing.T) {
	t.Parallel()
	in := inner{"canary", "ok"}
	for name, test := range map[string]struct {
		v    any
		want string
	}{
		"nil":         {nil, ""},
		"names":       {map[string]any{"Password": "canary", "api_key": "canary", "client-secret": "canary", "refreshToken": "canary", "name": "ok", "n": 1.5}, `{"Password":"[secret]","api_key":"[secret]","client-secret":"[secret]","n":1.5,"name":"ok","refreshToken":"[secret]"}`},
		"whole":       {map[string]any{"credentials": map[string]any{"a": "canary"}, "tokens": []string{"canary"}, "secret": 123}, `{"credentials":"[secret]","secret":"[secret]","tokens":"[secret]"}`},
		"none of it":  {map[string]any{"password": nil, "token": "", "secret": []int{}, "has_password": true}, `{"has_password":true,"password":null,"secret":[],"token":""}`},
		"pairs":       {[]map[string]any{{"name": "Authorization", "value": "canary"}, {"name": "Accept", "value": "ok"}}, `[{"name":"Authorization","value":"[secret]"},{"name":"Accept","value":"ok"}]`},
		"addresses":   {map[string]any{"url": "postgres://u:canary@h/db?sslmode=off&password=canary&x=1", "plain": "https://h/a?b=c"}, `{"plain":"https://h/a?b=c","url":"postgres://u:[secret]@h/db?sslmode=off&password=[secret]&x=1"}`},
		"keys":        {map[string]any{"text": "with mr_canary12345 and Bearer canary12345.x", "mr_canary12345": 1}, `{"[secret]":1,"text":"with [secret] and Bearer [secret]"}`},
		"marked":      {outer{inner: in, Pin2: "canary", List: []inner{in}, Map: map[string]inner{"m": in}, Any: in, Ptr: &in, Count: 7}, `{"Any":{"code":"[secret]","shown":"ok"},"Count":"[secret]","Empty":"","List":[{"code":"[secret]","shown":"ok"}],"Map":{"m":{"code":"[secret]","shown":"ok"}},"None":null,"Pin2":"[secret]","Ptr":{"code":"[secret]","shown":"ok"},"code":"[secret]","shown":"ok"}`},
		"raw":         {json.RawMessage(`{"b":{"token":"canary"},"a":12345678901234567890}`), `{"a":12345678901234567890,"b":{"token":"[secret]"}}`},
		"not escaped": {"a<b>&ü", `"a<b>&ü"`},
		"harmless":    {map[string]any{"write_keys": []string{"web"}, "key": "id", "monkey": "ok", "primary_key": "id"}, `{"key":"id","monkey":"ok","primary_key":"id","write_keys":["web"]}`},
	} {
		got, err := audit.Masked(test.v)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %s, want %s: %v", name, got, test.want, err)
		}
	}
	if _, err := audit.Masked(func() {}); millrace.KindOf(err) != millrace.Invalid {
		t.Error(err)
	}
	if _, err := audit.Masked(map[string]any{"canary": make(chan int)}); err == nil || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}

func testHostileEntries(t *testing.T, c catalog.Catalog) {
	l, err := audit.New(audit.Options{Catalog: c, Redact: func(_, s string) string { return strings.ReplaceAll(s, "canary", "[secret]") }})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("ü", 100_000)
	write(t, l,
		audit.Entry{Actor: audit.Actor{Kind: audit.Person, ID: "a\x00b\xff", Name: long}, Action: "x.y", Note: "canary\x00" + long,
			Object: audit.Object{Name: "a canary"}, From: audit.From{Agent: "canary\r\nX: y", Address: "postgres://u:hidden@h"}, After: map[string]any{"text": "a canary", "z": "\x00\u2028\xff"}},
		audit.Entry{Actor: ann, Action: "x.y", Before: map[string]any{"long": long}},
	)
	all, err := l.After(t.Context(), 0, 10)
	if err != nil || len(all) != 2 {
		t.Fatal(err)
	}
	for _, k := range all {
		if strings.Contains(string(k.Raw), "canary") || strings.Contains(string(k.Raw), "hidden") || len(k.Raw) > 20_000 || !json.Valid(k.Raw) || strings.ContainsAny(string(k.Raw), "\r\n\x00") {
			t.Errorf("%.3000q", k.Raw)
		}
	}
	if !strings.Contains(string(all[1].Raw), `"left_out":"too large"`) {
		t.Errorf("%.300s", all[1].Raw)
	}
	for _, e := range []audit.Entry{
		{}, {Actor: ann}, {Actor: ann, Action: "x"}, {Actor: ann, Action: "X.y"}, {Actor: ann, Action: "x.y.z"}, {Action: "x.y"}, {Actor: audit.Actor{Kind: "root"}, Action: "x.y"},
		{Actor: ann, Action: "x.y", Workspace: "a\nb"}, {Actor: ann, Action: "x.y", After: func() {}},
	} {
		if err := l.Write(t.Context(), e); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%+v: %v", e, err)
		}
	}
	if r := verify(t, l, audit.VerifyOptions{}); !r.OK() || r.Entries != 2 {
		t.Errorf("%+v", r)
	}
}
