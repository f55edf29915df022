// Package s3 keeps objects in an S3 bucket, or in anything that speaks S3's
// protocol. Put returns when the service has acknowledged the whole object;
// how safe it is then is the service's promise.
package s3

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	gcaws "gocloud.dev/aws"
	gcblob "gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
)

// Limits.
const (
	maxKeyBytes = 1024     // S3's own
	partBytes   = 8 << 20  // larger objects are sent in parts of this size
	partsAtOnce = 2        // in memory
	minRate     = 64 << 10 // bytes/s below which a transfer counts as stuck
)

// timeouts bound the waits for the service.
type timeouts struct {
	connect  time.Duration // until a connection stands
	answer   time.Duration // from a request to the beginning of its answer
	stall    time.Duration // without progress of an upload
	attempts int           // of a request
	backoff  time.Duration // the longest wait between attempts
}

var defaultTimeouts = timeouts{connect: 10 * time.Second, answer: 30 * time.Second, stall: 2 * time.Minute, attempts: 4, backoff: time.Second}

// A Bucket is an S3 bucket, or the objects below a prefix in one. Keys are
// UTF-8 and, with the prefix, at most 1024 bytes long (Invalid otherwise).
type Bucket struct {
	bucket   *gcblob.Bucket
	name     string // for errors: bucket and prefix
	endpoint string // for errors
	prefix   string // "" or ends with a slash
	timeouts timeouts
}

var _ blob.Bucket = (*Bucket)(nil)

// Open opens the bucket of a URL such as
//
//	s3://bucket/prefix?region=eu-west-2
//	s3://bucket/prefix?endpoint=https://minio.example.com&region=us-east-1&s3ForcePathStyle=true
//
// Credentials come from the environment (AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY), the shared files in ~/.aws, or the machine's role. It
// does not connect: the first use says whether the bucket can be reached. With
// an endpoint, path style is the default, us-east-1 the default region, and
// checksums are left to what every S3-compatible server knows. Further
// parameters: profile, role, anonymous, ssetype, kmskeyid, accelerate,
// dualstack, fips, request_checksum_calculation, response_checksum_validation.
func Open(ctx context.Context, rawURL string) (*Bucket, error) {
	return open(ctx, rawURL, defaultTimeouts)
}

func open(ctx context.Context, rawURL string, limits timeouts) (*Bucket, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return nil, millrace.Errorf(millrace.Invalid, "this is not the URL of an S3 bucket: write it as s3://bucket/prefix?region=eu-west-2")
	}
	if u.User != nil {
		return nil, millrace.Errorf(millrace.Invalid, "the URL of bucket %s holds credentials: take them out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment", u.Host)
	}
	q := u.Query()
	b := &Bucket{name: "s3://" + u.Host, endpoint: "Amazon S3", prefix: strings.Trim(u.Path, "/"), timeouts: limits}
	if b.prefix != "" {
		if err := checkKey(b.prefix); err != nil {
			return nil, err
		}
		b.name += "/" + b.prefix
		b.prefix += "/"
	}
	if err := b.setEndpointDefaults(q); err != nil {
		return nil, err
	}
	clientOptions, bucketOptions, err := takeOptions(q)
	if err != nil {
		return nil, err
	}
	cfg, err := gcaws.V2ConfigFromURLParams(ctx, q)
	if err != nil {
		return nil, millrace.Errorf(millrace.Invalid, "the parameters of %s are wrong: %w", b.name, err)
	}
	if cfg.Region == "" {
		return nil, millrace.Errorf(millrace.Invalid, "the region of %s is not known: add ?region=… to its URL, or set AWS_REGION", b.name)
	}
	cfg.HTTPClient = httpClient(limits)
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = limits.attempts, limits.backoff })
	}
	bucketOptions.RequestChecksumCalculation = cfg.RequestChecksumCalculation
	b.bucket, err = s3blob.OpenBucket(ctx, awss3.NewFromConfig(cfg, clientOptions), u.Host, &bucketOptions)
	if err != nil {
		return nil, millrace.Errorf(millrace.Invalid, "cannot use %s: %w", b.name, err)
	}
	return b, nil
}

// httpClient follows no redirect: what is signed for the host of the address, and
// the objects, go to no other that it names.
func httpClient(limits timeouts) *http.Client {
	transport := awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = limits.connect }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = limits.connect
			t.ResponseHeaderTimeout = limits.answer
			t.MaxIdleConnsPerHost = 16
		}).GetTransport()
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (b *Bucket) setEndpointDefaults(q url.Values) error {
	raw := q.Get("endpoint")
	if raw == "" {
		q.Del("endpoint")
		return nil
	}
	e, err := url.Parse(raw)
	if err != nil || e.Host == "" || e.Scheme != "http" && e.Scheme != "https" {
		return millrace.Errorf(millrace.Invalid, "the endpoint of %s is not a URL: write it as endpoint=https://host:port", b.name)
	}
	if e.User != nil {
		return millrace.Errorf(millrace.Invalid, "the endpoint of %s holds credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment instead", b.name)
	}
	b.endpoint = e.Scheme + "://" + e.Host
	setDefault(q, "region", "us-east-1")
	setDefault(q, "request_checksum_calculation", "when_required")
	setDefault(q, "response_checksum_validation", "when_required")
	if !q.Has("use_path_style") {
		setDefault(q, "s3ForcePathStyle", "true")
	}
	return nil
}

func setDefault(q url.Values, name, value string) {
	if !q.Has(name) {
		q.Set(name, value)
	}
}

// takeOptions takes the parameters that are not the SDK's configuration out of q.
func takeOptions(q url.Values) (func(*awss3.Options), s3blob.Options, error) {
	var options s3blob.Options
	flags := map[string]bool{}
	for _, name := range []string{"use_path_style", "s3ForcePathStyle", "accelerate", "disable_https"} {
		if !q.Has(name) {
			continue
		}
		value, err := strconv.ParseBool(q.Get(name))
		if err != nil {
			return nil, options, millrace.Errorf(millrace.Invalid, "the parameter %s of the S3 URL is neither true nor false", name)
		}
		flags[name] = value
		q.Del(name)
	}
	switch kind := q.Get("ssetype"); kind {
	case "":
	case "AES256", "aws:kms", "aws:kms:dsse":
		setEncryption(&options, kind)
	default:
		return nil, options, millrace.Errorf(millrace.Invalid, "the parameter ssetype of the S3 URL is not known: use AES256, aws:kms or aws:kms:dsse")
	}
	options.KMSEncryptionID = q.Get("kmskeyid")
	q.Del("ssetype")
	q.Del("kmskeyid")
	return func(o *awss3.Options) {
		o.UsePathStyle = flags["use_path_style"] || flags["s3ForcePathStyle"]
		o.UseAccelerate = flags["accelerate"]
		o.EndpointOptions.DisableHTTPS = flags["disable_https"]
	}, options, nil
}

func checkKey(key string) error {
	if key == "" {
		return millrace.Errorf(millrace.Invalid, "the key of an object is empty: give it a name")
	}
	if !utf8.ValidString(key) || strings.Contains(key, "\x00") {
		return millrace.Errorf(millrace.Invalid, "%.200q is not a key of an object: it is not UTF-8, or holds a NUL", key)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." {
			return millrace.Errorf(millrace.Invalid, "%.200q is not a key of an object: its part %q is not a name; keys are relative and clean, as in a/b.parquet", key, part)
		}
	}
	if len(key) > maxKeyBytes {
		return millrace.Errorf(millrace.Invalid, "%.60q… is not a key of an object: it is longer than %d bytes", key, maxKeyBytes)
	}
	return nil
}

// key returns the key in the S3 bucket.
func (b *Bucket) key(key string) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	if err := checkKey(b.prefix + key); err != nil {
		return "", err
	}
	return b.prefix + key, nil
}

// Put stores an object, in parts when it is large.
func (b *Bucket) Put(ctx context.Context, key string, r io.Reader) error {
	full, err := b.key(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return b.explain(ctx, "write", key, err)
	}
	uploadCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	guard := time.AfterFunc(b.timeouts.stall, func() { cancel(errStalled) })
	defer guard.Stop()
	err = b.bucket.Upload(uploadCtx, full, progressReader{r, guard, b.timeouts.stall},
		&gcblob.WriterOptions{BufferSize: partBytes, MaxConcurrency: partsAtOnce, ContentType: "application/octet-stream"})
	if err != nil && errors.Is(context.Cause(uploadCtx), errStalled) {
		err = errStalled
	}
	return b.explain(ctx, "write", key, err)
}

var errStalled = errors.New("no progress for too long")

// A progressReader moves the end of patience with each read.
type progressReader struct {
	io.Reader
	guard *time.Timer
	stall time.Duration
}

func (r progressReader) Read(p []byte) (int, error) {
	r.guard.Reset(r.stall)
	return r.Reader.Read(p)
}

// List yields keys in the order of the service, which for S3 is their bytes'.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		it := b.bucket.List(&gcblob.ListOptions{Prefix: b.prefix + prefix})
		for {
			pageCtx, cancel := b.bounded(ctx, 0)
			o, err := it.Next(pageCtx)
			cancel()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(blob.Info{}, b.explain(ctx, "list", prefix, err))
				return
			}
			if o.IsDir || strings.HasSuffix(o.Key, "/") {
				continue // what consoles make to show a folder
			}
			if !yield(blob.Info{Key: strings.TrimPrefix(o.Key, b.prefix), SizeBytes: o.Size, Modified: o.ModTime}, nil) {
				return
			}
		}
	}
}

// bounded gives a request for n bytes its time.
func (b *Bucket) bounded(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	each := b.timeouts.connect + b.timeouts.answer + b.timeouts.backoff + time.Duration(n)*time.Second/minRate
	return context.WithTimeout(ctx, time.Duration(b.timeouts.attempts)*each)
}

// Delete removes an object.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	full, err := b.key(key)
	if err != nil {
		return err
	}
	bounded, cancel := b.bounded(ctx, 0)
	defer cancel()
	err = b.bucket.Delete(bounded, full)
	if gcerrors.Code(err) == gcerrors.NotFound && !bucketIsMissing(err) {
		return nil
	}
	return b.explain(ctx, "delete", key, err)
}

// Close releases the connections.
func (b *Bucket) Close() error { return b.bucket.Close() }
