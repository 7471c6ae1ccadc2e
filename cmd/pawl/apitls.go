package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"pawl/internal/settings"
)

// apiFaults are settings of HTTP that do not go together.
func apiFaults(s *settings.Settings) error {
	var faults []error
	fault := func(name, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s=%s: %s", name, s.Text(name),
			fmt.Sprintf(format, args...)))
	}
	has := func(name string) bool { return s.Text(name) != "" }
	if has("api.readonly.token") {
		switch s.Text("api.token") {
		case "":
			fault("api.readonly.token", "without api.token everybody may do everything; "+
				"set that, too")
		case s.Text("api.readonly.token"):
			fault("api.readonly.token", "is also api.token; give two different ones")
		}
	}
	switch {
	case has(apiCert) && !has(apiKey):
		fault(apiCert, "has no key; set %s to the file with it", apiKey)
	case has(apiKey) && !has(apiCert):
		fault(apiKey, "has no certificate; set %s to the file with it", apiCert)
	case has(apiClientCA) && !has(apiCert):
		fault(apiClientCA, "without encryption nobody shows a certificate; set %s and %s", apiCert,
			apiKey)
	}
	return errors.Join(faults...)
}

// server is how the instance listens; nil for without encryption.
func (f *apiFiles) server() *tls.Config {
	if f == nil || len(f.current().own) == 0 {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			keys := f.current()
			c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: keys.own,
				NextProtos: []string{"h2", "http/1.1"},
				// Who was let in by an authority that is gone must not come back with a ticket.
				SessionTicketsDisabled: true}
			if keys.clients != nil {
				// Probes have none: who must have one is for query.Guard to say.
				c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, keys.clients
			}
			return c, nil
		}}
}

// dialTimeout bounds connecting to an instance.
const dialTimeout = 10 * time.Second

// dial connects to an instance, as its client; nil for without encryption.
func (f *apiFiles) dial() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		keys := f.current()
		d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host,
			RootCAs: keys.servers, Certificates: keys.own}}
		return d.DialContext(ctx, network, addr)
	}
}

// mistrusted says why other instances would not answer this one; "" when they would.
func (f *apiFiles) mistrusted() string {
	if f == nil {
		return ""
	}
	keys := f.current()
	if keys.clients == nil || len(keys.own) == 0 {
		return ""
	}
	rest := x509.NewCertPool()
	for _, raw := range keys.own[0].Certificate[1:] {
		if c, err := x509.ParseCertificate(raw); err == nil {
			rest.AddCert(c)
		}
	}
	_, err := keys.own[0].Leaf.Verify(x509.VerifyOptions{Roots: keys.clients, Intermediates: rest,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err == nil {
		return ""
	}
	return fmt.Sprintf("%s=%s is no client's certificate to %s (%v), so other instances will not "+
		"answer this one; have it signed for clients, too", apiCert, f.paths[apiCert], apiClientCA,
		err)
}

// instanceClient is how commands talk to an instance: with its token, and encrypted when the
// settings name a file of api.tls.
type instanceClient struct {
	*http.Client
	scheme string
}

func newInstanceClient(s *settings.Settings, timeout time.Duration) (*instanceClient, error) {
	files, err := openAPIFiles(s)
	if err != nil {
		return nil, s.Explain(err)
	}
	scheme := "http"
	if files != nil {
		scheme = "https"
	}
	return &instanceClient{scheme: scheme, Client: &http.Client{Timeout: timeout,
		Transport: &bearer{token: s.Text("api.token"),
			next: &http.Transport{DialTLSContext: files.dial()}}}}, nil
}

// hint ends an error of a request with what may mend it.
func (c *instanceClient) hint(err error) error {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &name):
		return fmt.Errorf("%w; give --http with a name that the certificate has", err)
	case errors.As(err, &authority):
		return fmt.Errorf("%w; set %s to the file with its authority's certificate", err, apiCA)
	case c.scheme == "https" && errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("%w; the instance has no %s", err, apiCert)
	}
	return err
}
