package collect

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	exprfile "github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/millrace/millrace"
)

// A hook is a webhook source made ready.
type hook struct {
	config    *WebhookSource
	signature *Signature // nil: write keys

	compiling             sync.Once // on first use
	event, id, user, time *expression
}

// compile compiles the expressions, which Validate has found to be right.
func (h *hook) compile() {
	h.compiling.Do(func() {
		var errs fieldErrors
		compileExpressions(h, &errs)
	})
}

// An expression is one of a webhook's, compiled.
type expression struct {
	field, text string
	program     *vm.Program
}

// hookEnv is what an expression of a webhook sees.
type hookEnv struct {
	Body    any               `expr:"body"`
	Headers map[string]string `expr:"headers"`
}

// maxExpressionNodes and maxExpressionBytes bound an expression. Together with
// what it may not use (loops, variables) its work is linear in the body.
const (
	maxExpressionNodes  = 100
	maxExpressionBytes  = 2000
	maxExpressionMemory = 100_000 // cells of the expression machine
)

// expressionBuiltins are the functions that cannot loop over the body.
var expressionBuiltins = []string{
	"len", "type", "abs", "ceil", "floor", "round", "int", "float", "string", "trim", "trimPrefix", "trimSuffix",
	"upper", "lower", "split", "hasPrefix", "hasSuffix", "indexOf", "lastIndexOf", "date", "duration", "first", "last", "get",
}

// A plainOnly refuses the parts of the language that make work grow, and makes
// what is missing nil rather than an error: bodies differ by event.
type plainOnly struct{ found string }

// Visit looks at one node of an expression.
func (p *plainOnly) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.VariableDeclaratorNode:
		p.found = "let"
	case *ast.PredicateNode, *ast.PointerNode:
		p.found = "loops over lists"
	case *ast.BinaryNode:
		if n.Operator == ".." || n.Operator == "**" || n.Operator == "^" {
			p.found = n.Operator
		}
	case *ast.BuiltinNode:
		if !slices.Contains(expressionBuiltins, n.Name) {
			p.found = n.Name
		}
	case *ast.MemberNode:
		n.Optional = true
		ast.Patch(node, &ast.ChainNode{Node: n})
	}
}

// compileExpressions compiles what the source takes from the body.
func compileExpressions(h *hook, errs *fieldErrors) {
	c := h.config
	compile := func(field, text string) *expression {
		if text == "" {
			return nil
		}
		if len(text) > maxExpressionBytes {
			errs.add(field, "an expression has at most %d bytes", maxExpressionBytes)
			return nil
		}
		plain := &plainOnly{}
		options := []expr.Option{
			expr.Env(hookEnv{}), expr.AsAny(), expr.MaxNodes(maxExpressionNodes),
			expr.DisableAllBuiltins(), expr.Patch(plain),
		}
		for _, name := range expressionBuiltins {
			options = append(options, expr.EnableBuiltin(name))
		}
		program, err := expr.Compile(text, options...)
		switch {
		case err != nil:
			errs.add(field, "%v: write an expression over body and headers, such as body.type or headers[\"x-github-event\"]", err)
			return nil
		case plain.found != "":
			errs.add(field, "%s cannot be used here: take values from body and headers only", plain.found)
			return nil
		}
		return &expression{field, text, program}
	}
	h.event, h.id = compile("event", c.Event), compile("id", c.ID)
	h.user, h.time = compile("user", c.User), compile("time", c.Time)
}

// inWebhook lies between address and source in /v1/w/{address}/webhook/{source}.
const inWebhook = "/webhook/"

// hookOf returns the webhook that the path of a request means, or nil. Where it
// names a space, that one's. Where it does not, a key tells the space that it is
// of, and all else is for the default space: its webhooks alone may have a
// signature there.
func (h *Handler) hookOf(tail string, key []byte) *source {
	if address, name, ok := strings.Cut(tail, inWebhook); ok {
		if space, ok := h.findSpace(address); ok {
			return h.webhook(space, name)
		}
		return nil
	}
	if k, ok := h.hooks.findBytes(key); ok && k.src.workspace != millrace.DefaultWorkspace {
		if src := h.webhook(k.src.workspace, tail); src != nil && src.key(string(key)) != nil {
			return src
		}
	}
	return h.webhook(millrace.DefaultWorkspace, tail)
}

// unreadHook says whether the webhook that a path means may be one of a space
// whose sources are not known at this moment.
func (h *Handler) unreadHook(tail string, key []byte) bool {
	if address, _, ok := strings.Cut(tail, inWebhook); ok {
		space, ok := h.findSpace(address)
		return ok && h.unread(space)
	}
	return len(key) > 0 && h.unread("")
}

// serveWebhook answers POST /v1/webhook/{source} and
// /v1/w/{address}/webhook/{source}.
func (q *request) serveWebhook(a *answer, r *http.Request) {
	key, _ := headerKey(make([]byte, 0, 192), r)
	if key == nil {
		key = []byte(queryKey(r))
	}
	src := q.h.hookOf(q.tail, key)
	if src == nil && q.h.unreadHook(q.tail, key) {
		a.unknowable()
		return
	}
	if src == nil {
		a.refuse(http.StatusNotFound, "there is no webhook of this name, or not with this write key: the path is /v1/webhook/ and the name of a source of kind webhook, or /v1/w/{workspace}/webhook/ and its name, where it has a signature and not a write key")
		return
	}
	q.limit = int(src.limits.BatchSize)
	err := q.read(a, r, q.limit)
	if err != nil && !err.keep {
		q.unreadable(a, err)
		return
	}
	if message, why := q.admit(src, r.Header, key); message != "" {
		src.refuse(q.h, why, q.now)
		a.refuse(http.StatusUnauthorized, message)
		return
	}
	q.take(a, err)
}

// admit takes the webhook as the source of the request when the delivery shows
// that it may be sent to. Otherwise it returns why not.
func (q *request) admit(src *source, header http.Header, key []byte) (message string, why refused) {
	if s := src.webhook.signature; s != nil {
		if message, why = s.check(header, q.signed(), q.now); message == "" {
			q.from(src)
		}
		return message, why
	}
	if k := src.key(string(key)); k != nil {
		q.use(k)
		return "", 0
	}
	if why = refusedUnknownKey; len(key) == 0 {
		why = refusedNoKey
	}
	return "this webhook needs one of its write_keys: as Basic user name, Bearer token or ?writeKey=", why
}

// signed is the body as the sender signed it: as it was sent.
func (q *request) signed() []byte {
	if len(q.packed) > 0 {
		return q.packed
	}
	return q.body
}

// addHook makes a record of a webhook's body.
func (q *request) addHook(it *item) {
	hook := q.src.webhook
	hook.compile()
	env := hookEnv{Headers: map[string]string{}}
	if hook.event != nil || hook.id != nil || hook.user != nil || hook.time != nil {
		env.Body = decodeNumbers(q.body[it.start:it.end])
		if q.http != nil {
			for name, values := range q.http.Header {
				env.Headers[strings.ToLower(name)] = values[0]
			}
		}
	}
	event := q.evaluate(it, hook.event, env)
	id := q.evaluate(it, hook.id, env)
	user := q.evaluate(it, hook.user, env)
	when := q.evaluate(it, hook.time, env)
	if len(q.problems) > 0 {
		return
	}
	if event == "" {
		event = q.src.name
	}
	r := millrace.Record{
		Workspace: q.src.workspace, Source: q.src.name, Stream: millrace.StreamTrack + event,
		Received: q.now, Occurred: hookTime(when, q.now), Body: q.body[it.start:it.end:it.end],
	}
	m := mark{id: len(q.text)}
	made := id == ""
	if made {
		q.text = q.deriveID(q.text, 0)
	} else {
		q.text = append(q.text, id...)
	}
	m.idEnd = len(q.text)
	m.key, m.keyEnd = m.id, m.idEnd
	if user != "" {
		m.key = len(q.text)
		q.text = append(q.text, user...)
		m.keyEnd = len(q.text)
	}
	q.meta = append(q.meta, '{')
	q.field("messageId")
	q.meta = appendQuoted(q.meta, string(q.text[m.id:m.idEnd]))
	if made {
		q.field("madeId")
		q.meta = append(q.meta, "true"...)
		q.made = append(q.made, madeID{0, len(q.marks)})
	}
	q.field("event")
	q.meta = appendQuoted(q.meta, event)
	if user != "" {
		q.field("userId")
		q.meta = appendQuoted(q.meta, user)
	}
	q.meta = append(q.meta, '}')
	r.Meta = q.meta
	q.records, q.marks = append(q.records, r), append(q.marks, m)
	q.bytes += len(r.Body)
}

// Bounds of what a reason repeats of an expression, and of why it failed.
const (
	maxShownExpression = 80
	maxShownFailure    = 120
)

// fails says that an expression cannot be used on a body.
func (q *request) fails(it *item, e *expression, why string) {
	q.problem(it, 0, e.field+": `"+clip(e.text, maxShownExpression)+"` "+why+"; change it in "+q.src.file(), e.field)
}

// failure is why an expression failed, in short.
func failure(err error) string {
	text := err.Error()
	var e *exprfile.Error
	if errors.As(err, &e) {
		text = e.Message
	}
	text, _, _ = strings.Cut(text, "\n")
	rest, ok := strings.CutPrefix(text, "invalid operation: ")
	if parts := strings.Fields(strings.ReplaceAll(rest, "<nil>", "nil")); ok && len(parts) == 3 {
		if verb := operatorVerbs[parts[1]]; verb != "" {
			text = "cannot " + verb + " " + parts[0] + " and " + parts[2]
		}
	}
	return clip(text, maxShownFailure)
}

// operatorVerbs say what an operator does to two values.
var operatorVerbs = map[string]string{
	"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "divide",
	"<": "compare", ">": "compare", "<=": "compare", ">=": "compare",
}

// evaluate returns what an expression says as text, or "" for nothing. What it
// cannot say is a problem of the item.
func (q *request) evaluate(it *item, e *expression, env hookEnv) string {
	if e == nil {
		return ""
	}
	machine := vm.VM{MemoryBudget: maxExpressionMemory}
	v, err := machine.Run(e.program, env)
	if err != nil {
		q.fails(it, e, "fails on this body: "+failure(err))
		return ""
	}
	s, what := "", ""
	switch v := v.(type) {
	case nil:
	case string:
		s = v
	case int:
		s = strconv.Itoa(v)
	case float64:
		s = strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		s = v.UTC().Format(time.RFC3339Nano)
	case bool:
		what = "true or false"
	case []any:
		what = "a list"
	case map[string]any, map[string]string:
		what = "an object"
	default:
		what = "something else"
	}
	if what != "" {
		q.fails(it, e, "gives "+what+" on this body, and it has to be text or a number")
	}
	if len(s) > maxTextBytes {
		q.fails(it, e, "gives a text of more than "+strconv.Itoa(maxTextBytes)+" bytes on this body")
	}
	return s
}

func hookTime(s string, received time.Time) time.Time {
	if t, ok := parseTime([]byte(s)); ok {
		return t
	}
	if v, err := strconv.ParseFloat(s, 64); err == nil && v > 0 && v < 1e14 {
		return epochTime(v)
	}
	return received
}

// decodeNumbers decodes JSON that has been validated, with numbers as plainNumber has them.
func decodeNumbers(b []byte) any {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil
	}
	return plainNumbers(v)
}

func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return plainNumber(v.String())
	case map[string]any:
		for k, e := range v {
			v[k] = plainNumbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plainNumbers(e)
		}
	}
	return v
}

// plainNumber is a number for expressions: an int, or a float64 that is exactly
// what was written, or else the text of it, since a rounded number would make
// different IDs the same.
func plainNumber(text string) any {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !strings.ContainsAny(text, ".eE") || len(text) > 40 {
		return text
	}
	written, ok := new(big.Rat).SetString(text)
	if shown, fine := new(big.Rat).SetString(strconv.FormatFloat(f, 'e', -1, 64)); ok && fine && written.Cmp(shown) == 0 {
		return f
	}
	return text
}
