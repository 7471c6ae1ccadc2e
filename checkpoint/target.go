package checkpoint

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"gocloud.dev/blob"
)

// Target is where objects are kept. Its methods may be called from any goroutine. What Put wrote
// and Delete removed is seen by every later List and Open, as the large object stores promise.
type Target interface {
	// List calls fn for each object whose key begins with prefix, in any order.
	List(ctx context.Context, prefix string, fn func(Object) error) error
	// Open reads an object; the error is fs.ErrNotExist when there is none.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
	// Put writes an object, whole or not at all; when body fails, not at all. With once the error
	// is fs.ErrExist when the object is there already. After any other error it may be there.
	Put(ctx context.Context, key string, body io.Reader, once bool) error
	// Delete removes an object; without one it does nothing.
	Delete(ctx context.Context, key string) error
	// Vault is what encrypts the checkpoints that are put there; nil when nothing does. Whoever
	// wraps a Target hands it on, or what was to be encrypted is not.
	Vault() *Vault
	// Close ends the use of the Target.
	Close() error
}

// Object is what a Target tells of an object.
type Object struct {
	Key  string
	Size int64
	Time time.Time // when it was written, by the Target's clock
}

// clouds are the schemes of object stores and the package that a program imports to know them.
func clouds() map[string]string {
	return map[string]string{"s3": "gocloud.dev/blob/s3blob", "gs": "gocloud.dev/blob/gcsblob",
		"azblob": "gocloud.dev/blob/azureblob"}
}

// Open opens the Target of a URL: file:///FOLDER, which must exist, or s3://BUCKET, gs://BUCKET,
// azblob://CONTAINER with gocloud.dev's parameters, among them prefix=FOLDER. A program knows the
// object stores whose gocloud.dev package it imports. Nothing is contacted yet.
func Open(ctx context.Context, rawURL string) (Target, error) {
	if err := CheckURL(rawURL); err != nil {
		return nil, fmt.Errorf("checkpoint.url=%s: %w", shown(rawURL), err)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("checkpoint.url: %w", err) // unreachable: CheckURL took it
	}
	if u.Scheme == "file" {
		return openFolder(u.Path)
	}
	if !blob.DefaultURLMux().ValidBucketScheme(u.Scheme) {
		return nil, fmt.Errorf("checkpoint.url=%s: this program has no driver for %s; import _ %q",
			shown(rawURL), u.Scheme, clouds()[u.Scheme])
	}
	q := u.Query()
	if prefix := q.Get("prefix"); prefix != "" && !strings.HasSuffix(prefix, "/") {
		q.Set("prefix", prefix+"/")
		u.RawQuery = q.Encode()
	}
	b, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("open checkpoint.url=%s: %w; see the parameters of %s",
			shown(rawURL), err, clouds()[u.Scheme])
	}
	return &bucket{blob: b, name: u.Scheme + "://" + u.Host}, nil
}

// CheckURL says what is wrong with a Target's URL, as far as that can be told without opening it.
func CheckURL(rawURL string) error {
	const example = "write for example file:///mnt/checkpoints or s3://bucket?region=eu-west-1"
	u, err := url.Parse(rawURL)
	if err != nil {
		return fmt.Errorf("is not a URL; %s", example)
	}
	schemes := []string{"file"}
	for scheme := range clouds() {
		schemes = append(schemes, scheme)
	}
	slices.Sort(schemes)
	switch {
	case u.Scheme == "":
		return fmt.Errorf("has no scheme; %s", example)
	case !slices.Contains(schemes, u.Scheme):
		return fmt.Errorf("has the unknown scheme %s; use %s", u.Scheme,
			strings.Join(schemes, ", "))
	case u.Scheme == "file" && u.Host != "" && u.Host != "localhost":
		return fmt.Errorf("names the host %s; a folder has three slashes, file:///%s%s", u.Host,
			u.Host, u.Path)
	case u.Scheme == "file" && (u.Path == "" || u.Path == "/"):
		return fmt.Errorf("names no folder; %s", example)
	case u.Scheme == "file" && u.RawQuery != "":
		return fmt.Errorf("has parameters, but a folder knows none; leave out ?%s", u.RawQuery)
	case u.Scheme != "file" && u.Host == "":
		return fmt.Errorf("names no bucket; %s", example)
	case u.Scheme != "file" && u.Path != "" && u.Path != "/":
		return fmt.Errorf("has a path; write the folder as a parameter, %s://%s?prefix=%s",
			u.Scheme, u.Host, strings.Trim(u.Path, "/"))
	}
	return nil
}

// shown is a URL without the password that it may carry.
func shown(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "(unreadable)"
	}
	return u.Redacted()
}
