package checkpoint

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"gocloud.dev/secrets"
	"gocloud.dev/secrets/localsecrets"
)

// Vault wraps the data keys that checkpoints are encrypted with, and unwraps them: envelope
// encryption. Its methods may be called from any goroutine.
type Vault struct {
	keepers []keeper // the first wraps, all unwrap

	mu     sync.Mutex
	opened map[string]*seal   // by wrapped key
	failed map[string]failure // lately
}

// keeper is a key that wraps others, here or in a service.
type keeper struct {
	name   string // without secrets
	secret *secrets.Keeper
}

// failure is believed for a moment, or a list of checkpoints would ask a service that is away once
// for each.
type failure struct {
	err   error
	until time.Time
}

const failureFresh = 5 * time.Second

// hidden stands for a key in messages.
const hidden = "******"

// localScheme is that of a key which is given as it is.
const localScheme = "base64key"

// services are the schemes of key services and the package that a program imports to know them.
func services() map[string]string {
	return map[string]string{"awskms": "gocloud.dev/secrets/awskms",
		"gcpkms":        "gocloud.dev/secrets/gcpkms",
		"azurekeyvault": "gocloud.dev/secrets/azurekeyvault",
		"hashivault":    "gocloud.dev/secrets/hashivault"}
}

// CheckKeys says what is wrong with URLs of keys, separated by white space, as far as that can be
// told without a service. What it says holds nothing of a key.
func CheckKeys(urls string) error {
	for i, raw := range strings.Fields(urls) {
		if _, err := nameKey(raw); err != nil {
			return fmt.Errorf("names, as URL %d, a key that %w", i+1, err)
		}
	}
	return nil
}

// localKey is the key of a base64key URL, in either alphabet, with or without padding.
func localKey(raw string) (key [32]byte, err error) {
	text := strings.TrimRight(strings.TrimPrefix(raw, localScheme+"://"), "=")
	text = strings.NewReplacer("+", "-", "/", "_").Replace(text)
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != len(key) {
		return key, errors.New("is not 32 bytes in base64; write base64key:// and what " +
			"openssl rand -base64 32 prints")
	}
	return [32]byte(b), nil
}

// nameKey is what a key's URL may be called in a manifest and in messages.
func nameKey(raw string) (string, error) {
	if strings.HasPrefix(raw, localScheme+"://") {
		key, err := localKey(raw)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(append([]byte("pawl checkpoint key "), key[:]...))
		return localScheme + ":" + hex.EncodeToString(sum[:4]), nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || services()[u.Scheme] == "" {
		var known []string
		for scheme := range services() {
			known = append(known, scheme+"://")
		}
		slices.Sort(known)
		return "", fmt.Errorf("has no known scheme; use %s://, %s", localScheme,
			strings.Join(known, ", "))
	}
	if u.Host == "" && strings.Trim(u.Path, "/") == "" {
		return "", fmt.Errorf("is empty; write the key's name behind %s://", u.Scheme)
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), nil
}

// OpenVault opens keys by URL, separated by white space: the first encrypts, all decrypt. A program
// knows base64key and the services whose gocloud.dev package it imports. Nothing is contacted yet.
// Without a URL there is no Vault.
func OpenVault(ctx context.Context, urls string) (*Vault, error) {
	if err := CheckKeys(urls); err != nil {
		return nil, fmt.Errorf("checkpoint.encryption.key=%s: %w", hidden, err)
	}
	v := &Vault{opened: make(map[string]*seal), failed: make(map[string]failure)}
	for _, raw := range strings.Fields(urls) {
		k, err := openKeeper(ctx, raw)
		if err != nil {
			return nil, errors.Join(err, v.Close())
		}
		v.keepers = append(v.keepers, k)
	}
	if len(v.keepers) == 0 {
		return nil, nil
	}
	return v, nil
}

func openKeeper(ctx context.Context, raw string) (keeper, error) {
	name, err := nameKey(raw)
	if err != nil {
		return keeper{}, err // unreachable: it was checked
	}
	if strings.HasPrefix(raw, localScheme+"://") {
		key, err := localKey(raw)
		return keeper{name, localsecrets.NewKeeper(key)}, err
	}
	scheme, _, _ := strings.Cut(name, ":")
	if !secrets.DefaultURLMux().ValidKeeperScheme(scheme) {
		return keeper{}, fmt.Errorf("checkpoint.encryption.key=%s: this program has no driver "+
			"for %s; import _ %q", hidden, scheme, services()[scheme])
	}
	secret, err := secrets.OpenKeeper(ctx, raw)
	if err != nil {
		return keeper{}, fmt.Errorf("checkpoint.encryption.key=%s: open %s: %w; see the "+
			"parameters of %s", hidden, name, err, services()[scheme])
	}
	return keeper{name, secret}, nil
}

// Close ends the use of the keys.
func (v *Vault) Close() error {
	if v == nil {
		return nil
	}
	var all []error
	for _, k := range v.keepers {
		all = append(all, k.secret.Close())
	}
	return errors.Join(all...)
}

// current says whether new checkpoints may go on with a data key: the first key wraps it.
func (v *Vault) current(s *seal) bool { return s != nil && s.keeper == v.keepers[0].name }

// fresh makes a data key.
func (v *Vault) fresh(ctx context.Context) (*seal, error) {
	data := make([]byte, dataKeySize)
	_, _ = rand.Read(data) // never fails
	first := v.keepers[0]
	wrapped, err := first.secret.Encrypt(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("wrap a data key with %s of checkpoint.encryption.key: %w",
			first.name, err)
	}
	s := &seal{data: data, keeper: first.name, wrapped: wrapped}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.opened[string(wrapped)] = s
	return s, nil
}

// unwrap gives the data key of a manifest. One call is under way at a time: many manifests have
// the same.
func (v *Vault) unwrap(ctx context.Context, name string, wrapped []byte) (*seal, error) {
	if v == nil {
		return nil, errors.New("checkpoint.encryption.key is not set; set it to the key that the " +
			"checkpoint was written with")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if s := v.opened[string(wrapped)]; s != nil {
		return s, nil
	}
	if f, ok := v.failed[string(wrapped)]; ok && time.Now().Before(f.until) {
		return nil, f.err
	}
	// The one it names first: the others are likely to fail, and a service takes its time.
	order := slices.Clone(v.keepers)
	slices.SortStableFunc(order, func(a, b keeper) int {
		return cmp.Compare(rank(a.name == name), rank(b.name == name))
	})
	var all []error
	for _, k := range order {
		data, err := k.secret.Decrypt(ctx, wrapped)
		if err == nil && len(data) != dataKeySize {
			err = fmt.Errorf("it is %d bytes", len(data))
		}
		if err == nil {
			s := &seal{data: data, keeper: k.name, wrapped: wrapped}
			v.opened[string(wrapped)] = s
			return s, nil
		}
		all = append(all, fmt.Errorf("%s: %w", k.name, err))
	}
	err := fmt.Errorf("no key of checkpoint.encryption.key unwraps its data key: %w; add the key "+
		"that it was written with, behind the one that is to encrypt", errors.Join(all...))
	if ctx.Err() == nil {
		v.failed[string(wrapped)] = failure{err, time.Now().Add(failureFresh)}
	}
	return nil, err
}

// rank sorts what holds first.
func rank(holds bool) int {
	if holds {
		return 0
	}
	return 1
}

// KeyError says that a checkpoint is encrypted with a key that is not to be had here. Nothing is
// known to be wrong with it.
type KeyError struct {
	Series string
	ID     string
	Keeper string // the name of the key that it needs
	Reason error
}

// Error names the setting and what mends it.
func (e *KeyError) Error() string {
	return fmt.Sprintf("checkpoint %s %s is encrypted (key %s): %v", e.Series, e.ID, e.Keeper,
		e.Reason)
}

// Unwrap gives the reason.
func (e *KeyError) Unwrap() error { return e.Reason }

// sealed is a Target with keys.
type sealed struct {
	Target
	vault *Vault
}

// Sealed gives a Target whose new checkpoints are encrypted and whose encrypted ones are read; a
// nil Vault changes nothing. Closing it closes both.
func Sealed(t Target, v *Vault) Target {
	if v == nil {
		return t
	}
	return &sealed{t, v}
}

// Vault implements Target.
func (s *sealed) Vault() *Vault { return s.vault }

// Close implements Target.
func (s *sealed) Close() error { return errors.Join(s.Target.Close(), s.vault.Close()) }
