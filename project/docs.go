package project

// SourceDocs say what the fields of sources are for, whose types have no doc
// tags: for Schemas and Reference.
func SourceDocs() Docs {
	return Docs{
		"HTTPSource.Kind":        "http: a website, an app or a server that sends events.",
		"HTTPSource.WriteKeys":   "Keys to send with; they are public. Two during a rotation. Keys that begin with dev_ work in millrace dev only.",
		"HTTPSource.Dedup":       "How long an ID keeps later records with the same ID from being counted: at least 24h, or forever.",
		"HTTPSource.Types":       "Types of columns: table.column to bool, bigint, double, timestamptz, text or json. Other columns have the type of what comes first.",
		"HTTPSource.Limits":      "Limits of this source; those of millrace.yaml hold where it says nothing.",
		"HTTPSource.Addresses":   "Whether the addresses of clients are stored. With false, context.ip is removed from the events too.",
		"HTTPSource.Browser":     "The requests come from the users' own devices, so that the address and user agent of the request are theirs.",
		"HTTPSource.CORSOrigins": "Web origins that may send, such as https://www.example.com or https://*.example.com. Default: all.",

		"WebhookSource.Kind":      "webhook: takes any JSON that a vendor posts to /v1/webhook/NAME.",
		"WebhookSource.WriteKeys": "Keys that the vendor sends along; or give a signature.",
		"WebhookSource.Signature": "How the vendor signs what it posts; or give write_keys.",
		"WebhookSource.Event":     "Expression for the event's name, such as body.type. Default: the source's name.",
		"WebhookSource.ID":        "Expression for the ID that keeps a delivery from being counted twice, such as body.id. Default: the header Idempotency-Key, or made.",
		"WebhookSource.User":      "Expression for the user's ID. Default: none.",
		"WebhookSource.Time":      "Expression for when it happened. Default: when it came in.",
		"WebhookSource.Dedup":     "How long an ID keeps later records with the same ID from being counted: at least 24h, or forever.",
		"WebhookSource.Types":     "Types of columns: table.column to bool, bigint, double, timestamptz, text or json.",
		"WebhookSource.Limits":    "Limits of this source; those of millrace.yaml hold where it says nothing.",

		"Signature.Header":          "The header that holds the signature, such as X-Hub-Signature-256.",
		"Signature.Algorithm":       "Hash of the HMAC.",
		"Signature.Encoding":        "How the signature is written.",
		"Signature.Prefix":          "What stands before the signature, such as sha256= or v1=.",
		"Signature.Secret":          "The key of the signature, as a reference: ${secret:github}.",
		"Signature.TimestampHeader": "The header with the time of signing, in seconds. Default: the time is not signed.",
		"Signature.Tolerance":       "How old a signed time may be.",
		"Signature.Payload":         "What is signed, of {timestamp}, {body} and {header:NAME}. Default {timestamp}.{body} with a timestamp_header, otherwise {body}.",

		"Limits.EventSize":    "Largest event.",
		"Limits.BatchSize":    "Largest request body, decompressed.",
		"Limits.BatchEvents":  "Most events in a request.",
		"Limits.Depth":        "Deepest nesting of an event.",
		"Limits.KeyLength":    "Longest property name, in bytes.",
		"Limits.Properties":   "Most properties of an event, nested ones included.",
		"Limits.Rate":         "Events a second for each write key. Default: unlimited.",
		"Limits.Burst":        "Events at once above the rate. Default: two seconds of rate.",
		"Limits.RejectedRate": "Rejected records a second that are kept.",
		"Limits.Columns":      "Most columns of a table; further properties stay in tracks as JSON.",
		"Limits.EventTables":  "Most event tables; further events are in tracks only.",
	}
}
