package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Config says where checkpoints are kept, how often one is taken and how long they stay.
type Config struct {
	URL      string        // of the Target; "" for no checkpoints
	Keys     string        // of OpenVault; "" for no encryption
	KeysFile string        // that holds them, instead
	Interval time.Duration // between two checkpoints of a task; default 5m
	OnStop   bool          // take one more when an instance stops
	Policy   Policy
	Limits   Limits
}

// Policy says which checkpoints Prune retires, and when what is retired is deleted.
type Policy struct {
	Keep    int           // the newest whole ones; default 3
	KeepFor time.Duration // and all that are younger than this
	// Grace is how long a retired checkpoint and an object without a manifest stay; default 6h. An
	// upload may take a quarter of it, a restore all of it. It must be the same for all who write
	// to one Target.
	Grace time.Duration
}

// Limits bound what transfers take from everybody else.
type Limits struct {
	Parallelism int   // files at once; default 4
	Bandwidth   int64 // bytes per second over all files of a transfer; 0 for no limit
}

const (
	graceMin       = time.Minute
	graceDefault   = 6 * time.Hour
	parallelismMax = 256
	bandwidthMin   = 16 << 10
)

// EnsureDefaults fills in what is zero.
func (c *Config) EnsureDefaults() {
	if c.Interval == 0 {
		c.Interval = 5 * time.Minute
	}
	c.Policy.EnsureDefaults()
	c.Limits.EnsureDefaults()
}

// EnsureDefaults fills in what is zero.
func (p *Policy) EnsureDefaults() {
	if p.Keep == 0 {
		p.Keep = 3
	}
	if p.Grace == 0 {
		p.Grace = graceDefault
	}
}

// EnsureDefaults fills in what is zero.
func (l *Limits) EnsureDefaults() {
	if l.Parallelism == 0 {
		l.Parallelism = 4
	}
}

// Validate lists everything that is wrong, each as "key=value: what; mend".
func (c *Config) Validate() error {
	var faults []error
	fault := func(key string, value any, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s=%v: %s", key, value, fmt.Sprintf(format, args...)))
	}
	if c.URL != "" {
		if err := CheckURL(c.URL); err != nil {
			fault("checkpoint.url", c.URL, "%v", err)
		}
	}
	if _, err := c.keys(); err != nil {
		faults = append(faults, err)
	}
	if c.Interval < time.Second {
		fault("checkpoint.interval", c.Interval, "is below a second; give for example 5m")
	}
	if c.Policy.Keep < 1 {
		fault("checkpoint.keep.last", c.Policy.Keep, "is out of range; give 1 or more")
	}
	if c.Policy.KeepFor < 0 {
		fault("checkpoint.keep.for", c.Policy.KeepFor, "is negative; give 0s or more")
	}
	if c.Policy.Grace < graceMin {
		fault("checkpoint.grace", c.Policy.Grace, "is below %v; give four times the slowest "+
			"upload, for example %v", graceMin, graceDefault)
	}
	if c.Limits.Parallelism < 1 || c.Limits.Parallelism > parallelismMax {
		fault("checkpoint.parallelism", c.Limits.Parallelism, "is out of range; give 1 to %d",
			parallelismMax)
	}
	if c.Limits.Bandwidth != 0 && c.Limits.Bandwidth < bandwidthMin {
		fault("checkpoint.bandwidth", c.Limits.Bandwidth, "is below 16KiB a second; give more, "+
			"or off")
	}
	return errors.Join(faults...)
}

// keys are the URLs of keys, from the setting or its file.
func (c *Config) keys() (string, error) {
	if c.KeysFile == "" {
		if err := CheckKeys(c.Keys); err != nil {
			return "", fmt.Errorf("checkpoint.encryption.key=%s: %w", hidden, err)
		}
		return c.Keys, nil
	}
	fault := func(what string) error {
		return fmt.Errorf("checkpoint.encryption.location=%s: %s", c.KeysFile, what)
	}
	if c.Keys != "" {
		return "", fault("stands beside checkpoint.encryption.key; give one")
	}
	b, err := os.ReadFile(c.KeysFile)
	var path *fs.PathError
	if errors.As(err, &path) {
		return "", fault(path.Err.Error() + "; give a readable file that holds the keys' URLs")
	}
	if err != nil {
		return "", fault(err.Error())
	}
	urls := string(b)
	if strings.TrimSpace(urls) == "" {
		return "", fault("it is empty; write the key's URL into it, or leave the setting out")
	}
	if err := CheckKeys(urls); err != nil {
		return "", fault(err.Error())
	}
	return urls, nil
}

// Open opens the Target with the keys that new checkpoints are encrypted with, if there are any.
func (c *Config) Open(ctx context.Context) (Target, error) {
	urls, err := c.keys()
	if err != nil {
		return nil, err
	}
	vault, err := OpenVault(ctx, urls)
	if err != nil {
		return nil, err
	}
	target, err := Open(ctx, c.URL)
	if err != nil {
		err = fmt.Errorf("checkpoint.url=%s: %w", shown(c.URL), err)
		return nil, errors.Join(err, vault.Close())
	}
	return Sealed(target, vault), nil
}
