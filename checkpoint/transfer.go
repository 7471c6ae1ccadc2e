package checkpoint

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// Progress is told how many bytes are done, of how many. Calls come one at a time, from any
// goroutine.
type Progress func(done, total int64)

// transfer is the moving of several files under common limits.
type transfer struct {
	limiter *rate.Limiter // nil for no limit
	slots   int

	mu          sync.Mutex
	told        Progress
	done, total int64
}

// chunk is how many bytes are asked for, counted and limited at once.
const chunk = 64 << 10

func newTransfer(l Limits, total int64, told Progress) *transfer {
	l.EnsureDefaults()
	t := &transfer{slots: l.Parallelism, told: told, total: total}
	if l.Bandwidth > 0 {
		t.limiter = rate.NewLimiter(rate.Limit(l.Bandwidth), chunk)
	}
	t.count(0)
	return t
}

// count tells of n more bytes.
func (t *transfer) count(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done += n
	if t.told != nil {
		t.told(t.done, t.total)
	}
}

// each calls fn for every item, several at once, until one fails.
func each[T any](ctx context.Context, slots int, items []T,
	fn func(ctx context.Context, item T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(slots)
	for _, item := range items {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return fn(ctx, item)
		})
	}
	return g.Wait()
}

// errContent says that bytes are not the ones that were expected.
var errContent = errors.New("content differs")

// checked reads a file's bytes through the transfer's limits; the end is an error, errContent, if
// they are not the ones with this size and SHA-256.
func (t *transfer) checked(ctx context.Context, r io.Reader, size int64, sum string) io.Reader {
	return &checkedReader{ctx: ctx, t: t, r: r, left: size, size: size, want: sum,
		hash: sha256.New()}
}

type checkedReader struct {
	ctx  context.Context
	t    *transfer
	r    io.Reader
	left int64
	size int64
	want string
	hash hash.Hash
}

// Read implements io.Reader.
func (c *checkedReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	p = p[:min(len(p), chunk)]
	n, err := c.r.Read(p)
	c.left -= int64(n)
	c.hash.Write(p[:n])
	if n > 0 && c.t.limiter != nil {
		if err := c.t.limiter.WaitN(c.ctx, n); err != nil {
			return 0, err
		}
	}
	c.t.count(int64(n))
	switch {
	case c.left < 0:
		return 0, fmt.Errorf("%w: more than %d bytes", errContent, c.size)
	case err == io.EOF && c.left > 0:
		return 0, fmt.Errorf("%w: %d bytes, not %d", errContent, c.size-c.left, c.size)
	case err == io.EOF:
		if got := hex.EncodeToString(c.hash.Sum(nil)); got != c.want {
			return 0, fmt.Errorf("%w: SHA-256 is %s, not %s", errContent, got, c.want)
		}
	}
	return n, err
}
