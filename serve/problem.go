package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace"
)

// A Problem is an error as the API answers it: RFC 9457 with the kind.
type Problem struct {
	Type      string             `json:"type,omitempty" default:"about:blank" doc:"Always about:blank: the kind says what sort of problem it is."`
	Title     string             `json:"title" example:"Not Found" doc:"The status in words."`
	Status    int                `json:"status" example:"404" doc:"The HTTP status."`
	Kind      string             `json:"kind" enum:"internal,invalid,unauthorized,forbidden,not_found,conflict,too_large,limited,unavailable,gone,ahead,canceled" doc:"What sort of problem it is, for programs."`
	Detail    string             `json:"detail" example:"there is no source \"shop\": known: web" doc:"What happened and what to do, for people."`
	Errors    []huma.ErrorDetail `json:"errors,omitempty" doc:"What is wrong with the request, one by one."`
	First     *millrace.Position `json:"first,omitempty" doc:"Of kind gone: where the log begins."`
	Last      *millrace.Position `json:"last,omitempty" doc:"Of kind ahead: where the log ends."`
	Line      int                `json:"line,omitempty" doc:"Of a query that is wrong: where in its text, from 1."`
	Column    int                `json:"column,omitempty" doc:"Of a query that is wrong: where in the line, in characters, from 1."`
	Conflict  *FileConflict      `json:"conflict,omitempty" doc:"Of saving a file that someone else has changed meanwhile: what it says now."`
	Problems  []FileProblem      `json:"problems,omitempty" doc:"Of files that have mistakes: what is wrong with them."`
	Stale     *StaleRelease      `json:"stale,omitempty" doc:"Of a deployment that began from a version that does not run any more: what runs by now, and both merged."`
	RequestID string             `json:"request_id,omitempty" doc:"The request's ID, which the server's log has too."`
	headers   http.Header        // Retry-After, WWW-Authenticate
	cause     error              // for the server's log
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// Place returns where in a query the mistake is, from 1; 0 is unknown.
func (p *Problem) Place() (line, column int) { return p.Line, p.Column }

// Unwrap returns what the problem was made of.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the headers that go with the status.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType returns the media type of a problem.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// statusOf is the one place where a kind becomes an HTTP status.
func statusOf(k millrace.Kind) int {
	switch k {
	case millrace.Invalid:
		return http.StatusBadRequest
	case millrace.Unauthorized:
		return http.StatusUnauthorized
	case millrace.Forbidden:
		return http.StatusForbidden
	case millrace.NotFound:
		return http.StatusNotFound
	case millrace.Conflict, millrace.Ahead:
		return http.StatusConflict
	case millrace.TooLarge:
		return http.StatusRequestEntityTooLarge
	case millrace.Limited:
		return http.StatusTooManyRequests
	case millrace.Unavailable:
		return http.StatusServiceUnavailable
	case millrace.Gone:
		return http.StatusGone
	case millrace.Canceled:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// kindOfStatus is for statuses that do not come from an error of ours.
func kindOfStatus(status int) millrace.Kind {
	for k := millrace.Invalid; k <= millrace.Canceled; k++ {
		if statusOf(k) == status {
			return k
		}
	}
	if status >= 400 && status < 500 {
		return millrace.Invalid
	}
	return millrace.Internal
}

// problemOf turns an error into what the client gets. An error without a kind
// may say anything, so it stays in the server's log.
func problemOf(ctx context.Context, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	p = &Problem{cause: err, RequestID: requestID(ctx), headers: http.Header{}}
	var e *millrace.Error
	switch {
	case errors.As(err, &e):
		p.Detail, p.Kind, p.Status = err.Error(), e.Kind.String(), statusOf(e.Kind)
		if e.RetryAfter > 0 {
			p.headers.Set("Retry-After", seconds(e.RetryAfter))
		}
		if !e.First.IsZero() {
			p.First = &e.First
		}
		if !e.Last.IsZero() {
			p.Last = &e.Last
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		p.Kind, p.Status = millrace.Canceled.String(), statusOf(millrace.Canceled)
		p.Detail = "the request was canceled or took too long: try again, with a longer timeout_ms if it has one"
	default:
		p.Kind, p.Status = millrace.Internal.String(), http.StatusInternalServerError
		p.Detail = "something is wrong in the server: its log says what, at request " + p.RequestID
	}
	p.Title = http.StatusText(p.Status)
	return p
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// writeProblem answers outside of the API's operations.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(r.Context(), err)
	if redact, _ := r.Context().Value(redactKey{}).(func(workspace, text string) string); redact != nil {
		p = hidden(p, func(text string) string { return redact(toldTo(r.Context()), text) })
	}
	for name, values := range p.headers {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(p) // the client is gone
}

var setLibrary sync.Once

// useLibrary makes the API's library answer with Problems, and say that lists
// are never null; it has one setting of each for the whole process.
func useLibrary() {
	setLibrary.Do(func() {
		huma.DefaultArrayNullable = false
		huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
			p := &Problem{Status: status, Title: http.StatusText(status), Detail: message, Kind: kindOfStatus(status).String()}
			for _, err := range errs {
				var d huma.ErrorDetailer
				switch {
				case err == nil:
				case errors.As(err, &d):
					p.Errors = append(p.Errors, brief(*d.ErrorDetail()))
				default:
					p.Errors = append(p.Errors, huma.ErrorDetail{Message: err.Error()})
				}
			}
			if message == "validation failed" {
				p.Detail = "the request is not valid" + summary(p.Errors)
			}
			return p
		}
		huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
			if ctx != nil {
				inOrder(ctx.Operation(), errs)
			}
			err := huma.NewError(status, message, errs...)
			var p *Problem
			if ctx != nil && errors.As(err, &p) {
				p.RequestID = requestID(ctx.Context())
			}
			return err
		}
	})
}

// summary names the fields that are wrong, and what they have to be.
func summary(errs []huma.ErrorDetail) string {
	const most = 5
	var b strings.Builder
	for i, e := range errs {
		if i == most {
			fmt.Fprintf(&b, "; and %d more", len(errs)-most)
			break
		}
		b.WriteString([]string{": ", "; "}[min(i, 1)])
		_, field, _ := strings.Cut(e.Location, ".")
		b.WriteString(strings.TrimSpace(field + " " + e.Message))
	}
	return b.String()
}

// plainly are the library's messages, and what they are to say of a field.
var plainly = []struct {
	message *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(`^expected number <= (\S+)$`), "is at most $1"},
	{regexp.MustCompile(`^expected number >= (\S+)$`), "is at least $1"},
	{regexp.MustCompile(`^expected length <= 1$`), "has at most 1 character"},
	{regexp.MustCompile(`^expected length >= 1$`), "has at least 1 character"},
	{regexp.MustCompile(`^expected length <= (\S+)$`), "has at most $1 characters"},
	{regexp.MustCompile(`^expected length >= (\S+)$`), "has at least $1 characters"},
	{regexp.MustCompile(`^expected array length <= 1$`), "has at most 1 element"},
	{regexp.MustCompile(`^expected array length >= 1$`), "has at least 1 element"},
	{regexp.MustCompile(`^expected array length <= (\S+)$`), "has at most $1 elements"},
	{regexp.MustCompile(`^expected array length >= (\S+)$`), "has at least $1 elements"},
	{regexp.MustCompile(`^expected required property (\S+) to be present$`), "$1 is missing"},
	{regexp.MustCompile(`^unexpected property$`), "is no field that is known here"},
	{regexp.MustCompile(`^unknown query parameter$`), "is no parameter that is known here"},
	{regexp.MustCompile(`^expected (string|boolean|integer|number|object|array)$`), "is to be of the type $1"},
	{regexp.MustCompile(`^(invalid character .*|unexpected end of JSON input)$`), "the body is not JSON: $1"},
}

var exponent = regexp.MustCompile(`\b\d+(\.\d+)?e\+\d+\b`)

// plain says a message of the library in words, with numbers in plain digits.
func plain(message string) string {
	message = exponent.ReplaceAllStringFunc(message, func(number string) string {
		f, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return number
		}
		return strconv.FormatFloat(f, 'f', -1, 64)
	})
	for _, p := range plainly {
		if p.message.MatchString(message) {
			return p.message.ReplaceAllString(message, p.text)
		}
	}
	return message
}

// secretFields are never repeated, whatever is wrong with them.
var secretFields = []string{"body.value", "body.password", "body.token"}

// brief says a detail plainly, and keeps it from repeating what is long, such as
// the whole body.
func brief(d huma.ErrorDetail) huma.ErrorDetail {
	d.Message = plain(d.Message)
	if d.Location == "body" || slices.Contains(secretFields, d.Location) {
		d.Value = nil
	}
	switch v := d.Value.(type) {
	case nil, bool, float64:
	case string:
		if len(v) > 100 {
			d.Value = strings.ToValidUTF8(v[:97], "") + "..."
		}
	default:
		d.Value = nil
	}
	if len(d.Message) > 500 {
		d.Message = strings.ToValidUTF8(d.Message[:497], "") + "..."
	}
	return d
}
