package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"

	"github.com/millrace/millrace"
)

func setEncryption(o *s3blob.Options, kind string) {
	o.EncryptionType = types.ServerSideEncryption(kind)
}

// code is the error code of the service, "" when it did not answer.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func bucketIsMissing(err error) bool { return code(err) == "NoSuchBucket" }

// status is the HTTP status of the answer, 0 when there was none.
func status(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// explain gives an error its kind and says what to check. ctx is the caller's.
func (b *Bucket) explain(ctx context.Context, what, key string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return millrace.Errorf(millrace.Canceled, "stopped before the end: cannot %s %.200q in %s: %w", what, key, b.name, ctx.Err())
	}
	kind, advice := b.advise(err)
	if kind == millrace.NotFound {
		return millrace.Errorf(kind, "there is no object %.200q in %s", key, b.name)
	}
	return millrace.Errorf(kind, "cannot %s %.200q in %s at %s: %s: %w", what, key, b.name, b.endpoint, advice, err)
}

func (b *Bucket) advise(err error) (millrace.Kind, string) {
	switch code(err) {
	case "NoSuchBucket":
		return millrace.Unavailable, "the bucket does not exist there; create it, or correct the URL"
	case "RequestTimeTooSkewed":
		return millrace.Forbidden, "this machine's clock is wrong; set it"
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken":
		return millrace.Forbidden, "the credentials are not accepted; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return millrace.Invalid, "the bucket is in another region; correct region= in the URL"
	case "PreconditionFailed":
		return millrace.Conflict, "it was replaced while it was being read; open it again"
	case "SlowDown", "TooManyRequests", "Throttling", "RequestLimitExceeded":
		return millrace.Unavailable, "the service asks to slow down; it is tried again"
	}
	if noCredentials(err) {
		return millrace.Forbidden, "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
	}
	switch status(err) {
	case http.StatusMovedPermanently:
		return millrace.Invalid, "the bucket is in another region; correct region= in the URL"
	case http.StatusPreconditionFailed:
		return millrace.Conflict, "it was replaced while it was being read; open it again"
	case http.StatusUnauthorized, http.StatusForbidden:
		return millrace.Forbidden, "access is denied; check the credentials, and that they may list, read, write and delete in the bucket"
	}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return millrace.NotFound, ""
	case gcerrors.PermissionDenied:
		return millrace.Forbidden, "access is denied; check the credentials, and that they may list, read, write and delete in the bucket"
	}
	if status(err) >= 500 {
		return millrace.Unavailable, "the service failed; it is tried again"
	}
	return millrace.Unavailable, "the service does not answer; check the endpoint, its certificate, DNS and the network"
}

// noCredentials says whether the request was never sent because nobody knew
// how to sign it.
func noCredentials(err error) bool {
	var signing interface{ Unwrap() error }
	if !errors.As(err, &signing) {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "failed to refresh cached credentials") || strings.Contains(text, "get credentials") ||
		strings.Contains(text, "no EC2 IMDS role found") || strings.Contains(text, "failed to retrieve credentials")
}
