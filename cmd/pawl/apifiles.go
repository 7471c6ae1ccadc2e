package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"pawl/internal/settings"
)

// Settings that name the PEM files of HTTP's encryption.
const (
	apiCert     = "api.tls.cert"
	apiKey      = "api.tls.key"
	apiCA       = "api.tls.ca"
	apiClientCA = "api.tls.client.ca"
)

func apiFileNames() []string { return []string{apiCert, apiKey, apiCA, apiClientCA} }

// apiFiles are these files, read again when they have changed: a certificate is renewed without a
// restart. What cannot be used is told, and the ones from before stay in use.
type apiFiles struct {
	paths map[string]string // by setting; only what is set
	now   func() time.Time
	fault func(error)

	mu     sync.Mutex
	looked time.Time
	bytes  map[string][]byte // as they were looked at last
	keys   *apiKeys
}

// apiKeys are what the files hold.
type apiKeys struct {
	own     []tls.Certificate // none, or one
	servers *x509.CertPool    // who may have signed an instance's certificate; nil: the system's
	clients *x509.CertPool    // who may have signed a client's; nil: no client is asked for one
}

// lookEvery is the least time between two looks at the files.
const lookEvery = time.Second

// openAPIFiles reads the files that the settings name; nil when they name none. The error lists all
// that is wrong, as settings.Explain wants it.
func openAPIFiles(s *settings.Settings) (*apiFiles, error) {
	f := &apiFiles{paths: make(map[string]string), now: time.Now, fault: func(error) {}}
	for _, name := range apiFileNames() {
		if path := s.Text(name); path != "" {
			f.paths[name] = path
		}
	}
	if len(f.paths) == 0 {
		return nil, nil
	}
	var err error
	if f.bytes, err = f.read(); err == nil {
		f.keys, err = f.parse(f.bytes)
	}
	f.looked = f.now()
	return f, err
}

// current are the keys of now.
func (f *apiFiles) current() *apiKeys {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now().Sub(f.looked) < lookEvery {
		return f.keys
	}
	f.looked = f.now()
	read, err := f.read()
	if err == nil && f.unchanged(read) {
		return f.keys
	}
	keys := f.keys
	if err == nil {
		f.bytes = read // a file that cannot be used is told of once
		keys, err = f.parse(read)
	}
	if err != nil {
		f.fault(fmt.Errorf("%w; what was there before stays in use", err))
		return f.keys
	}
	f.keys = keys
	return keys
}

func (f *apiFiles) unchanged(read map[string][]byte) bool {
	for name, b := range read {
		if !bytes.Equal(b, f.bytes[name]) {
			return false
		}
	}
	return true
}

func (f *apiFiles) read() (map[string][]byte, error) {
	all := make(map[string][]byte)
	var faults []error
	for _, name := range apiFileNames() {
		path, ok := f.paths[name]
		if !ok {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			faults = append(faults, f.bad(name, "cannot be read: %v; give a PEM file that this "+
				"user may read", err))
		}
		all[name] = b
	}
	return all, errors.Join(faults...)
}

func (f *apiFiles) bad(name, format string, args ...any) error {
	return fmt.Errorf("%s=%s: %s", name, f.paths[name], fmt.Sprintf(format, args...))
}

// parse makes keys of the files.
func (f *apiFiles) parse(read map[string][]byte) (*apiKeys, error) {
	keys := new(apiKeys)
	var faults []error
	if _, ok := f.paths[apiCert]; ok {
		own, err := f.pair(read[apiCert], read[apiKey])
		if err != nil {
			faults = append(faults, err)
		}
		keys.own = []tls.Certificate{own}
	}
	for name, pool := range map[string]**x509.CertPool{apiCA: &keys.servers,
		apiClientCA: &keys.clients} {
		if _, ok := f.paths[name]; !ok {
			continue
		}
		*pool = x509.NewCertPool()
		if !(*pool).AppendCertsFromPEM(read[name]) {
			faults = append(faults, f.bad(name, "holds no certificate; give a PEM file with those "+
				"of the authorities, -----BEGIN CERTIFICATE-----"))
		}
	}
	return keys, errors.Join(faults...)
}

// pair is the instance's certificate with its key.
func (f *apiFiles) pair(cert, key []byte) (tls.Certificate, error) {
	var none tls.Certificate
	first := block(cert, "CERTIFICATE")
	if first == nil {
		return none, f.bad(apiCert, "holds no certificate; give a PEM file that begins with the "+
			"instance's, -----BEGIN CERTIFICATE-----")
	}
	leaf, err := x509.ParseCertificate(first)
	switch now := f.now(); {
	case err != nil:
		return none, f.bad(apiCert, "holds a certificate that cannot be read: %v; make it "+
			"anew", err)
	case now.After(leaf.NotAfter):
		return none, f.bad(apiCert, "its certificate ended at %s; renew it",
			leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return none, f.bad(apiCert, "its certificate begins at %s; wait, or set the clock",
			leaf.NotBefore.UTC().Format(time.RFC3339))
	case block(key, "ENCRYPTED PRIVATE KEY") != nil || bytes.Contains(key, []byte("Proc-Type: 4")):
		return none, f.bad(apiKey, "is encrypted, and nobody is there to ask for the passphrase; "+
			"give one without, which only this user may read")
	case block(key, "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY") == nil:
		return none, f.bad(apiKey, "holds no private key; give a PEM file with that of %s, "+
			"-----BEGIN PRIVATE KEY-----", apiCert)
	}
	own, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return none, f.bad(apiKey, "does not go with the certificate in %s=%s: %v; give the key "+
			"that belongs to it", apiCert, f.paths[apiCert], err)
	}
	return own, nil
}

// block is the first PEM block of one of the types; nil when there is none.
func block(text []byte, types ...string) []byte {
	for {
		var one *pem.Block
		if one, text = pem.Decode(text); one == nil {
			return nil
		}
		for _, t := range types {
			if one.Type == t {
				return one.Bytes
			}
		}
	}
}
