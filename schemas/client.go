package schemas

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/riferrei/srclient"
)

// ClientConfig says how to reach a Schema Registry over HTTP.
type ClientConfig struct {
	URL      string        // may have a path, such as /apis/ccompat/v6
	User     string        // for basic authentication, with Password; "" sends none
	Password string        // never printed
	Timeout  time.Duration // of one attempt; 0 means 5s
	Attempts int           // of one call, for faults that may pass; 0 means 4
	Backoff  time.Duration // longest pause before the second attempt, doubling; 0 means 100ms

	// Secret, if there is one, is asked for the password before each attempt, instead of Password.
	Secret func() (string, error)
	// Bearer, if there is one, is asked for a bearer token before each attempt; "" sends none.
	Bearer func() (string, error)
	// TLS, if there is one, is asked before each attempt how an https registry is reached; nil
	// trusts what the machine trusts.
	TLS func() (*tls.Config, error)
}

// NewClient returns the Registry at cfg.URL. Every call respects its context, makes a bounded
// number of attempts with growing random pauses, and is safe to repeat.
func NewClient(cfg ClientConfig) Registry { return newClient(cfg) }

func newClient(cfg ClientConfig) *client {
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.Attempts = cmp.Or(cfg.Attempts, 4)
	cfg.Backoff = cmp.Or(cfg.Backoff, 100*time.Millisecond)
	return &client{cfg: cfg}
}

// client is a Registry over HTTP.
type client struct{ cfg ClientConfig }

// Register implements Registry.
func (c *client) Register(ctx context.Context, subject, schema string) (int32, error) {
	return retry(ctx, c.cfg, func() (int32, error) {
		id, err := c.register(ctx, subject, schema)
		return id, wrap(err, "register schema of subject %s at %s", subject, c.cfg.URL)
	})
}

// register makes one attempt. A conflict is no refusal yet: of two instances that register the
// same schema first, at the same time, some registries answer the second with 409 "already
// exists". So the schema is looked up: whoever finds it has registered it.
func (c *client) register(ctx context.Context, subject, schema string) (int32, error) {
	id, err := c.id(ctx, func(sr *srclient.SchemaRegistryClient) (*srclient.Schema, error) {
		return sr.CreateSchema(subject, schema, srclient.Avro)
	})
	var answer *answerError
	if !errors.As(err, &answer) || answer.status != http.StatusConflict {
		return id, err
	}
	id, lookup := c.lookup(ctx, subject, schema)
	switch {
	case lookup == nil:
		return id, nil
	case !errors.Is(lookup, ErrNotFound):
		return 0, lookup
	case strings.Contains(answer.message, "already exists"):
		// Another schema came first; the next attempt is compared to it.
		return 0, &passingError{err}
	default:
		return 0, &IncompatibleError{Subject: subject, Reason: answer.message}
	}
}

// Lookup implements Registry.
func (c *client) Lookup(ctx context.Context, subject, schema string) (int32, error) {
	return retry(ctx, c.cfg, func() (int32, error) {
		id, err := c.lookup(ctx, subject, schema)
		return id, wrap(err, "look up schema of subject %s at %s", subject, c.cfg.URL)
	})
}

// lookup makes one attempt.
func (c *client) lookup(ctx context.Context, subject, schema string) (int32, error) {
	return c.id(ctx, func(sr *srclient.SchemaRegistryClient) (*srclient.Schema, error) {
		return sr.LookupSchema(subject, schema, srclient.Avro)
	})
}

// Schema implements Registry.
func (c *client) Schema(ctx context.Context, id int32) (string, error) {
	return retry(ctx, c.cfg, func() (string, error) {
		get := func(sr *srclient.SchemaRegistryClient) (*srclient.Schema, error) {
			return sr.GetSchema(int(id))
		}
		schema, err := attempt(ctx, c, get)
		var text string
		if err == nil {
			text, err = c.whole(ctx, schema)
		}
		return text, wrap(err, "get schema id %d from %s", id, c.cfg.URL)
	})
}

// id asks for a schema of which only the id matters.
func (c *client) id(ctx context.Context,
	call func(*srclient.SchemaRegistryClient) (*srclient.Schema, error),
) (int32, error) {
	schema, err := attempt(ctx, c, call)
	if err != nil {
		return 0, err
	}
	if schema.ID() < 1 || schema.ID() > math.MaxInt32 {
		return 0, fmt.Errorf("the registry answered with schema id %d, which has no place in the "+
			"wire header", schema.ID())
	}
	return int32(schema.ID()), nil
}

// attempt makes one call within the timeout. srclient takes no context, so each call has a srclient
// of its own whose transport is bound to one; that also keeps srclient's caches out of the way,
// which would hide that a registry was replaced.
func attempt[T any](ctx context.Context, c *client,
	call func(*srclient.SchemaRegistryClient) (T, error),
) (T, error) {
	var none T
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Timeout,
		fmt.Errorf("no answer within %v", c.cfg.Timeout))
	defer cancel()
	transport, err := c.transport()
	if err != nil {
		return none, &passingError{err}
	}
	bound := &boundTransport{ctx: ctx, next: transport}
	sr := srclient.NewSchemaRegistryClient(c.cfg.URL,
		srclient.WithClient(&http.Client{Transport: bound}))
	if err := c.authenticate(sr); err != nil {
		return none, err
	}
	answer, err := call(sr)
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return none, &passingError{fmt.Errorf("%w: %w", context.Cause(ctx), err)}
	default:
		return none, classify(err, bound.status)
	}
}

// transport is that of one attempt. Calls are rare: connections are not kept, so there is nothing
// to close. Files that cannot be read may be about to be replaced.
func (c *client) transport() (*http.Transport, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	if c.cfg.TLS == nil || !strings.HasPrefix(strings.ToLower(c.cfg.URL), "https:") {
		return t, nil
	}
	var err error
	t.TLSClientConfig, err = c.cfg.TLS()
	return t, err
}

// authenticate has requests carry what the configuration says. A secret that cannot be read may be
// about to be replaced, so another attempt is worth it.
func (c *client) authenticate(sr *srclient.SchemaRegistryClient) error {
	password, token := c.cfg.Password, ""
	var err error
	if c.cfg.Secret != nil {
		if password, err = c.cfg.Secret(); err != nil {
			return &passingError{err}
		}
	}
	if c.cfg.Bearer != nil {
		if token, err = c.cfg.Bearer(); err != nil {
			return &passingError{err}
		}
	}
	sr.SetCredentials(c.cfg.User, password)
	sr.SetBearerToken(token)
	return nil
}

// boundTransport sends requests under ctx and notes the last status.
type boundTransport struct {
	ctx    context.Context
	next   http.RoundTripper
	status int
}

// RoundTrip implements http.RoundTripper.
func (t *boundTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	t.status = 0
	resp, err := t.next.RoundTrip(req.WithContext(t.ctx))
	if err == nil {
		t.status = resp.StatusCode
	}
	return resp, err
}
