package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// bucket is a Target in an object store.
type bucket struct {
	blob *blob.Bucket
	name string
}

// partSize is what an upload holds in memory for each file, twice.
const partSize = 8 << 20

// List implements Target.
func (b *bucket) List(ctx context.Context, prefix string, fn func(Object) error) error {
	for it := b.blob.List(&blob.ListOptions{Prefix: prefix}); ; {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list %s in %s: %w", prefix, b.name, err)
		}
		if err := fn(Object{Key: o.Key, Size: o.Size, Time: o.ModTime}); err != nil {
			return err
		}
	}
}

// Open implements Target.
func (b *bucket) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := b.blob.NewReader(ctx, key, nil)
	if err != nil {
		return nil, b.fault("read", key, err)
	}
	return r, nil
}

// Put implements Target.
func (b *bucket) Put(ctx context.Context, key string, body io.Reader, once bool) error {
	writing, cancel := context.WithCancel(ctx) // what tells the writer to write nothing
	defer cancel()
	w, err := b.blob.NewWriter(writing, key, &blob.WriterOptions{IfNotExist: once,
		BufferSize: partSize, MaxConcurrency: 1, ContentType: "application/octet-stream"})
	if err != nil {
		return b.fault("write", key, err)
	}
	if _, err := io.Copy(w, body); err != nil {
		cancel()
		_ = w.Close() // says that it was canceled
		return b.fault("write", key, err)
	}
	if err := w.Close(); err != nil {
		return b.fault("write", key, errors.Join(err, ctx.Err())) // not all drivers say so
	}
	return nil
}

// Delete implements Target.
func (b *bucket) Delete(ctx context.Context, key string) error {
	err := b.blob.Delete(ctx, key)
	if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return b.fault("delete", key, err)
	}
	return nil
}

// Vault implements Target.
func (b *bucket) Vault() *Vault { return nil }

// Close implements Target.
func (b *bucket) Close() error { return b.blob.Close() }

// fault names the object, and what of the error callers ask for.
func (b *bucket) fault(what, key string, err error) error {
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case gcerrors.FailedPrecondition, gcerrors.AlreadyExists:
		err = fmt.Errorf("%w: %w", fs.ErrExist, err)
	}
	return fmt.Errorf("%s %s in %s: %w", what, key, b.name, err)
}
