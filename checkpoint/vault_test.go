package checkpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// testKey is the URL of the n-th key.
func testKey(n byte) string {
	return "base64key://" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{n, 0xfb}, 16))
}

// testVault opens keys.
func testVault(t *testing.T, urls ...string) *Vault {
	t.Helper()
	v, err := OpenVault(context.Background(), strings.Join(urls, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// everything is all that a target holds, by key.
func everything(t *testing.T, target Target) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, kind := range []string{manifests, objects, retired, verified, clocks} {
		for _, key := range listed(t, target, kind) {
			all[key] = read(t, target, key)
		}
	}
	return all
}

// TestNothingOfTheStateIsReadable looks for keys, values, sums of files and the state's digest in
// all that an encrypted checkpoint has put into storage, names included.
func TestNothingOfTheStateIsReadable(t *testing.T) {
	for _, encrypted := range []bool{true, false} {
		t.Run(fmt.Sprint("encrypted=", encrypted), func(t *testing.T) {
			ctx := context.Background()
			l := newLiveStore(t)
			copies := l.copies(3)
			target := NewMemory()
			var v *Vault
			if encrypted {
				v = testVault(t, testKey(1))
			}
			s := newTestSeries(t, Sealed(target, v))
			writeAll(t, NewWriter(s, Policy{}, Limits{}), copies)
			list, err := s.List(ctx)
			if err != nil || len(list) != 3 {
				t.Fatalf("%d checkpoints, %v", len(list), err)
			}
			secret := []string{"epoch-", "last", list[0].Manifest.Digest}
			for _, f := range list[0].Manifest.Files {
				if f.Size > 0 {
					secret = append(secret, f.SHA256)
				}
			}
			for _, word := range secret {
				found := false
				for key, content := range everything(t, target) {
					found = found || strings.Contains(key+content, word)
				}
				if found == encrypted {
					t.Errorf("%q is found: %v", word, found)
				}
			}
		})
	}
}

// TestKeysAreNeeded looks at an encrypted checkpoint without a key and with another one: it is
// listed, and whatever needs its content names the setting and changes nothing.
func TestKeysAreNeeded(t *testing.T) {
	onTargets(t, func(t *testing.T, target Target) {
		if target.Vault() != nil {
			t.Skip("has keys of its own")
		}
		ctx := context.Background()
		l := newLiveStore(t)
		writer := newTestSeries(t, Sealed(target, testVault(t, testKey(1))))
		l.write(NewWriter(writer, Policy{}, Limits{}))
		before := everything(t, target)
		for word, with := range map[string]Target{
			"is not set": target,
			"add the key that it was written with": Sealed(target, testVault(t,
				testKey(2), testKey(3))),
		} {
			s := newTestSeries(t, with)
			list, err := s.List(ctx)
			if err != nil || len(list) != 1 || !list[0].Complete() ||
				list[0].Manifest.Epoch != 1 || list[0].Manifest.Digest != "" {
				t.Fatalf("%s: list %+v, %v", word, list, err)
			}
			m := list[0].Manifest
			dir := filepath.Join(t.TempDir(), "store")
			_, _, latest := s.Latest(ctx, nil)
			_, _, restored := s.RestoreLatest(ctx, dir, nil, Limits{}, nil)
			damages, verify := s.Verify(ctx, list, Limits{}, nil)
			if len(damages) > 0 {
				t.Errorf("%s: damages %v", word, damages)
			}
			for what, err := range map[string]error{"locked": m.Locked(), "latest": latest,
				"verify": verify, "restore": s.Restore(ctx, m, dir, Limits{}, nil),
				"restore latest": restored} {
				var key *KeyError
				if !errors.As(err, &key) || !strings.Contains(err.Error(), word) ||
					!strings.Contains(err.Error(), "checkpoint.encryption.key") ||
					!strings.Contains(err.Error(), m.ID) {
					t.Errorf("%s: %s: %v", word, what, err)
				}
			}
			absent(t, dir)
			if _, err := s.Prune(ctx, Policy{Keep: 1}, false); err != nil {
				t.Errorf("%s: prune: %v", word, err)
			}
			if after := everything(t, target); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("%s: storage has changed: %v", word, after)
			}
		}
	})
}

// TestKeysRotate writes plain, then with one key, then with another before it: each checkpoint
// stays readable as long as its key is given, whatever one key has encrypted is not uploaded again
// under it, and what another one or none has is.
func TestKeysRotate(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	copies := l.copies(6)
	base := NewMemory()
	again := make([]bool, len(copies))
	keys := [][]string{nil, {testKey(1)}, {testKey(1)}, {testKey(2), testKey(1)},
		{testKey(2), testKey(1)}, nil}
	for i, c := range copies {
		s := newTestSeries(t, Sealed(base, testVault(t, keys[i]...)))
		w := NewWriter(s, Policy{Keep: 9}, Limits{})
		written, err := w.Write(ctx, c.dir, c.Description, nil)
		if err != nil {
			t.Fatal(err)
		}
		again[i] = written.Objects < len(written.Manifest.Files)
	}
	if want := []bool{false, false, true, false, true, true}; !slices.Equal(again, want) {
		t.Errorf("objects were used again: %v, want %v", again, want)
	}
	readable := func(keys ...string) (epochs []int64) {
		s := newTestSeries(t, Sealed(base, testVault(t, keys...)))
		list, err := s.List(ctx)
		if err != nil || len(list) != len(copies) {
			t.Fatalf("%d checkpoints, %v", len(list), err)
		}
		for _, e := range list {
			dir := filepath.Join(t.TempDir(), "store")
			err := s.Restore(ctx, e.Manifest, dir, Limits{}, nil)
			if errors.As(err, new(*KeyError)) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			l.holds(dir, e.Manifest.Epoch)
			epochs = append(epochs, e.Manifest.Epoch)
		}
		return epochs
	}
	for _, c := range []struct {
		keys []string
		want []int64
	}{
		{nil, []int64{6, 1}},
		{[]string{testKey(1)}, []int64{6, 3, 2, 1}},
		{[]string{testKey(2)}, []int64{6, 5, 4, 1}},
		{[]string{testKey(3), testKey(1), testKey(2)}, []int64{6, 5, 4, 3, 2, 1}},
	} {
		if got := readable(c.keys...); !slices.Equal(got, c.want) {
			t.Errorf("with %d keys %v are readable, want %v", len(c.keys), got, c.want)
		}
	}
}

// TestExchangeIsNoticed puts each file's very bytes, encrypted with the data key for another name,
// into its object: the size is right, and it does not decrypt.
func TestExchangeIsNoticed(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	v := testVault(t, testKey(1))
	base := NewMemory()
	s := newTestSeries(t, Sealed(base, v))
	m := l.write(NewWriter(s, Policy{}, Limits{})).Manifest
	exchanged := 0
	for _, f := range m.Files {
		if f.Size == 0 {
			continue
		}
		target := base.clone()
		other, err := m.seal.encrypt("objects/shop/fraud-0/other", strings.NewReader(
			plainOf(t, s, m, f)))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(other)
		if err != nil {
			t.Fatal(err)
		}
		key := s.key(objects, f.Object)
		target.change(key, func([]byte) []byte { return b })
		s := newTestSeries(t, Sealed(target, v))
		list, err := s.List(ctx)
		if err != nil || !list[0].Complete() {
			t.Fatalf("%+v, %v", list, err)
		}
		damages, err := s.Verify(ctx, list, Limits{}, nil)
		if err != nil || len(damages) != 1 || damages[0].Key != key {
			t.Errorf("%s: %v, %v", f.Name, damages, err)
		}
		exchanged++
	}
	if exchanged < 3 {
		t.Errorf("only %d files", exchanged)
	}
}

// plainOf is a file's bytes.
func plainOf(t *testing.T, s *Series, m *Manifest, f File) string {
	t.Helper()
	sealed := read(t, s.target, s.key(objects, f.Object))
	r, err := m.seal.decrypt(s.key(objects, f.Object), strings.NewReader(sealed))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestManifestIsAuthentic changes what an encrypted manifest says in plain, with a sum that fits:
// whoever may write to the storage cannot move a checkpoint to another place of the log.
func TestManifestIsAuthentic(t *testing.T) {
	ctx := context.Background()
	l := newLiveStore(t)
	base := NewMemory()
	s := newTestSeries(t, Sealed(base, testVault(t, testKey(1))))
	m := l.write(NewWriter(s, Policy{}, Limits{})).Manifest
	base.change(s.key(manifests, m.ID), func(b []byte) []byte {
		return resummed(t, bytes.Replace(b, []byte(`"watermark": 17`), []byte(`"watermark": 18`), 1))
	})
	_, err := s.Manifest(ctx, m.ID)
	if !errors.As(err, new(*DamagedError)) || !strings.Contains(err.Error(), "data key") {
		t.Errorf("a changed manifest: %v", err)
	}
}

// TestStorageThatBreaksOff is no damage: the next try may get all.
func TestStorageThatBreaksOff(t *testing.T) {
	key := &seal{data: make([]byte, dataKeySize)}
	r, err := key.encrypt("k", strings.NewReader(strings.Repeat("state", 50000)))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 70000, len(whole) - 1} {
		cut := io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
		for want, r := range map[bool]io.Reader{false: cut, true: bytes.NewReader(whole[:n])} {
			plain, err := key.decrypt("k", r)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(plain)
			if err == nil || errors.Is(err, errContent) != want {
				t.Errorf("%d bytes: damage %v: %v", n, want, err)
			}
		}
	}
}

// TestKeySettings gives faults that name no key.
func TestKeySettings(t *testing.T) {
	good := testKey(1)
	for _, c := range []struct{ urls, want string }{
		{"", ""}, {good, ""}, {good + " " + testKey(2), ""},
		{"awskms://alias/pawl?region=eu-west-1\n" + good, ""},
		{"gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k", ""},
		{"base64key://", "URL 1, a key that is not 32 bytes"},
		{good + " base64key://c2VjcmV0", "URL 2, a key that is not 32 bytes"},
		{"c2VjcmV0", "no known scheme"}, {"ftp://c2VjcmV0", "no known scheme"},
		{"awskms://", "is empty"},
	} {
		err := CheckKeys(c.urls)
		said := fmt.Sprint(err)
		if (err == nil) != (c.want == "") || !strings.Contains(said, c.want) ||
			strings.Contains(said, "c2VjcmV0") {
			t.Errorf("%q: %v, want %q", c.urls, err, c.want)
		}
	}
	_, err := OpenVault(context.Background(), "hashivault://pawl")
	if err == nil || !strings.Contains(err.Error(), "import _") {
		t.Errorf("a service without a driver: %v", err)
	}
}

// TestKeysInAFile reads them from there.
func TestKeysInAFile(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		path := filepath.Join(dir, fmt.Sprintf("%x", text))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ keys, file, want string }{
		{"", file(testKey(1)[:40] + "\n"), "32 bytes"},
		{"", file("\n"), "it is empty"},
		{testKey(1), file("x"), "stands beside"},
		{"", filepath.Join(dir, "none"), "no such file"},
		{"", file("# no comment"), "no known scheme"},
	} {
		cfg := Config{URL: "file://" + dir, Keys: c.keys, KeysFile: c.file}
		_, err := cfg.Open(context.Background())
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), "checkpoint.encryption.location="+c.file) {
			t.Errorf("%v: %v", c, err)
		}
	}
	cfg := Config{URL: "file://" + dir, KeysFile: file(testKey(2) + "\n" + testKey(1) + "\n")}
	target, err := cfg.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if v := target.Vault(); v == nil || len(v.keepers) != 2 {
		t.Errorf("keys: %+v", v)
	}
	if err := target.Close(); err != nil {
		t.Error(err)
	}
}

// resummed gives a manifest the sum of what it holds.
func resummed(t *testing.T, b []byte) []byte {
	t.Helper()
	head, body, _ := bytes.Cut(b, []byte{'\n'})
	var h header
	if err := json.Unmarshal(head, &h); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	h.SHA256, h.Bytes = hex.EncodeToString(sum[:]), len(body)
	head, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(head, []byte{'\n'}, body)
}
