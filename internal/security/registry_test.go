package security

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pawl/schemas"
)

// TestRegistryMutualTLS asks a registry that wants a certificate and a token, both from files that
// change under the client.
func TestRegistryMutualTLS(t *testing.T) {
	dir := t.TempDir()
	ours, others := newAuthority(t, dir, "ours"), newAuthority(t, dir, "others")
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	ours.sign(cert, key)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	asked := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			asked++
			if r.Header.Get("Authorization") != "Bearer today" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprint(w, `{"schema":"\"int\""}`)
		}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	token := filepath.Join(dir, "token")
	put := func(text string) {
		if err := os.WriteFile(token, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("yesterday")
	r := &Registry{URL: server.URL, CA: ours.file, Certificate: cert, Key: key, BearerFile: token}
	ask := func() error {
		_, err := schemas.NewClient(schemas.ClientConfig{URL: r.URL, TLS: r.TLS, Secret: r.Secret,
			Bearer: r.Token, Attempts: 1}).Schema(t.Context(), 1)
		return err
	}
	if err := errors.Join(r.Validate(), ask()); !errors.Is(err, schemas.ErrDenied) || asked != 1 {
		t.Errorf("with an old token, asked %d times: %v", asked, err)
	}
	put("today")
	if err := ask(); err != nil {
		t.Errorf("with all that is asked for: %v", err)
	}
	others.sign(cert, key)
	if err := ask(); err == nil {
		t.Error("a certificate of somebody else was taken")
	}
	ours.sign(cert, key)
	if err := ask(); err != nil {
		t.Errorf("after the certificate was rotated: %v", err)
	}
	r.CA = others.file
	if err := ask(); !errors.Is(err, schemas.ErrDenied) {
		t.Errorf("a registry of another authority: %v", err)
	}
	r.CA, r.ServerName = ours.file, "elsewhere"
	if err := ask(); !errors.Is(err, schemas.ErrDenied) {
		t.Errorf("a registry of another name: %v", err)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err == nil || !strings.Contains(err.Error(), "bearer.location="+token) {
		t.Errorf("without the file: %v", err)
	}
}

// TestRegistryFaults names every wrong setting, and no secret.
func TestRegistryFaults(t *testing.T) {
	const none = "/no/such/file"
	for _, c := range []struct {
		r    Registry
		want string // of the fault, "" for none
	}{
		{Registry{}, ""},
		{Registry{URL: "HTTPS://r", User: "u", Password: "p"}, ""},
		{Registry{URL: "http://r", Bearer: "b"}, ""},
		{Registry{URL: "http://r", CA: none}, registryCA + "=" + none + ": is not used"},
		{Registry{URL: "https://r", CA: none}, registryCA + "=" + none + ": no such file"},
		{Registry{URL: "https://r", Key: none}, registryCertificate + "=: is missing"},
		{Registry{URL: "https://r", Certificate: none}, registryKey + "=: is missing"},
		{Registry{URL: "https://r", Certificate: none, Key: none}, "open /no/such/file"},
		{Registry{User: "u"}, "schema.registry.user=u: has no password"},
		{Registry{Password: "hunter2"}, "schema.registry.user=: is missing"},
		{Registry{User: "u", Password: "hunter2", PasswordFile: none}, "give one"},
		{Registry{User: "u", PasswordFile: none}, "secret.location=" + none + ": no such file"},
		{Registry{User: "u", Password: "hunter2", Bearer: "hunter2"}, "beside a bearer token"},
		{Registry{Bearer: "hunter2", BearerFile: none}, "beside schema.registry.bearer.token"},
		{Registry{BearerFile: none}, "bearer.location=" + none + ": no such file"},
	} {
		err := c.r.Validate()
		said := fmt.Sprint(err)
		if c.want == "" && err != nil || !strings.Contains(said, c.want) && c.want != "" ||
			strings.Contains(said, "hunter2") {
			t.Errorf("%+v: %s; want %q", c.r, said, c.want)
		}
	}
}
