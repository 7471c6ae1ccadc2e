package security

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key, file: filepath.Join(dir, name+".pem")}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true,
		Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write(a.file, "CERTIFICATE", der)
	return a
}

func (a *authority) write(path, kind string, der []byte) {
	a.t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// sign puts a certificate of 127.0.0.1 with its key into the files.
func (a *authority) sign(cert, key string) {
	a.t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour),
		Subject: pkix.Name{CommonName: "somebody"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &own.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(cert, "CERTIFICATE", der)
	private, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(key, "PRIVATE KEY", private)
}

// reach asks a broker for something with a new client.
func reach(t *testing.T, addr string, c Config) error {
	t.Helper()
	cl, err := kgo.NewClient(append(c.Options(), kgo.SeedBrokers(addr))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return cl.Ping(ctx)
}

func newCluster(t *testing.T, opts ...kfake.Opt) (addr string) {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// TestMutualTLS reaches a broker that wants a certificate of its authority, and notices that the
// files were changed.
func TestMutualTLS(t *testing.T) {
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
	addr := newCluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair},
		ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}))
	good := Config{Protocol: SSL, CA: ours.file, Certificate: cert, Key: key}
	if err := errors.Join(good.Validate(), reach(t, addr, good)); err != nil {
		t.Fatalf("with all that is asked for: %v", err)
	}
	with := func(ca, server string) Config {
		return Config{Protocol: SSL, CA: ca, Certificate: cert, Key: key, ServerName: server}
	}
	for name, c := range map[string]Config{
		"plain text":        {},
		"another authority": with(others.file, ""),
		"no certificate":    {Protocol: SSL, CA: ours.file},
		"another name":      with(ours.file, "b"),
		"the machine's set": with("", ""),
		"a missing file":    with(dir+"/none", ""),
		"SASL without TLS": {Protocol: SASLPlaintext, Mechanism: Plain, User: "u",
			Password: "p"},
	} {
		err := reach(t, addr, c)
		t.Logf("%s: %v", name, err)
		if err == nil {
			t.Errorf("%s: it was let in", name)
		}
	}
	others.sign(cert, key)
	if reach(t, addr, good) == nil {
		t.Error("the changed files were not read")
	}
	ours.sign(cert, key)
	if err := reach(t, addr, good); err != nil {
		t.Errorf("a rotated certificate: %v", err)
	}
}

// TestPasswords authenticates by each mechanism that has one, and with a password that changes.
func TestPasswords(t *testing.T) {
	addr := newCluster(t, kfake.EnableSASL(), kfake.Superuser(Plain, "ann", "one"),
		kfake.Superuser(Scram256, "bob", "two"), kfake.Superuser(Scram512, "cid", "three"))
	file := filepath.Join(t.TempDir(), "password")
	for _, c := range []Config{{Mechanism: Plain, User: "ann", Password: "one"},
		{Mechanism: Scram256, User: "bob", Password: "two"},
		{Mechanism: Scram512, User: "cid", Password: "three"}} {
		c.Protocol = SASLPlaintext
		if err := errors.Join(c.Validate(), reach(t, addr, c)); err != nil {
			t.Errorf("%s: %v", c.Mechanism, err)
		}
		right := c.Password
		c.Password = "secret-" + right
		err := reach(t, addr, c)
		if err == nil || strings.Contains(err.Error(), right) {
			t.Errorf("%s with a wrong password: %v", c.Mechanism, err)
		}
		c.Password, c.PasswordFile = "", file
		for _, password := range []string{"wrong", right} {
			if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := reach(t, addr, c); (err == nil) != (password == right) {
				t.Errorf("%s with %q in the file: %v", c.Mechanism, password, err)
			}
		}
	}
}

// TestTokens gets tokens from an endpoint once for as long as they are valid, and from a file.
func TestTokens(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		id, secret, _ := r.BasicAuth()
		if id != "pawl" || secret != "hush" || r.FormValue("scope") != "a b" {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":3600}`, asked)
	}))
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	o := OAuth{URL: server.URL, ClientID: "pawl", ClientSecret: "hush", Scope: "a b"}
	tokens := o.tokens()
	for range 3 {
		if auth, err := tokens(t.Context()); err != nil || auth.Token != "token-1" {
			t.Fatalf("token %q, %v", auth.Token, err)
		}
	}
	o.ClientSecret = "loud"
	if _, err := o.tokens()(t.Context()); err == nil || strings.Contains(err.Error(), "loud") ||
		!strings.Contains(err.Error(), server.URL) {
		t.Errorf("a wrong secret: %v", err)
	}
	file := filepath.Join(t.TempDir(), "token")
	o = OAuth{TokenFile: file}
	tokens = o.tokens()
	for _, want := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if auth, err := tokens(t.Context()); err != nil || auth.Token != want {
			t.Errorf("token %q, want %q; %v", auth.Token, want, err)
		}
	}
}

// TestValidate names every fault with its key, its value and the mend, and no secret.
func TestValidate(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t, dir, "ca")
	cert, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	a.sign(cert, key)
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		c    Config
		want string // the beginnings of the lines, separated by |
	}{
		{"nothing", Config{}, ""},
		{"files without TLS", Config{CA: a.file, Certificate: cert, Key: key, ServerName: "x"},
			"ssl.ca.location=" + a.file + ": is not used|ssl.certificate.location=" + cert +
				": is not|ssl.key.location=" + key + ": is not|ssl.server.name=x: is not"},
		{"SASL without it", Config{Protocol: SSL, Mechanism: Plain},
			"sasl.mechanism=PLAIN: is not"},
		{"no such file", Config{Protocol: SSL, CA: dir + "/x"},
			"ssl.ca.location=" + dir + "/x: no such"},
		{"no PEM", Config{Protocol: SSL, CA: empty}, "ssl.ca.location=" + empty + ": it holds no"},
		{"half a pair", Config{Protocol: SSL, Key: key}, "ssl.certificate.location=: is missing"},
		{"the other half", Config{Protocol: SSL, Certificate: cert},
			"ssl.key.location=: is missing"},
		{"key for cert", Config{Protocol: SSL, Certificate: cert, Key: cert},
			"ssl.certificate.location=" + cert + ": with ssl.key.location=" + cert},
		{"no mechanism", Config{Protocol: SASLSSL},
			"sasl.mechanism=: is missing"},
		{"no user", Config{Protocol: SASLSSL, Mechanism: Plain},
			"sasl.username=: is missing|sasl.password=: is missing"},
		{"two passwords", Config{Protocol: SASLSSL, Mechanism: Scram256, User: "u",
			Password: "hush", PasswordFile: key},
			"sasl.secret.location=" + key + ": stands beside"},
		{"empty password", Config{Protocol: SASLSSL, Mechanism: Scram256, User: "u",
			PasswordFile: empty}, "sasl.secret.location=" + empty + ": it is empty"},
		{"no tokens", Config{Protocol: SASLSSL, Mechanism: OAuthBearer},
			"sasl.oauthbearer.token.endpoint.url=: is missing"},
		{"half an endpoint", Config{Protocol: SASLSSL, Mechanism: OAuthBearer,
			OAuth: OAuth{URL: "http://h/t"}},
			"sasl.oauthbearer.client.id=: is|sasl.oauthbearer.client.secret=: is"},
		{"both", Config{Protocol: SASLSSL, Mechanism: OAuthBearer,
			OAuth: OAuth{URL: "http://h/t", TokenFile: key}},
			"sasl.oauthbearer.token.location=" + key + ": stands"},
		{"AWS", Config{Protocol: SASLSSL, Mechanism: MSKIAM}, ""},
	} {
		err := c.c.Validate()
		var want []string
		if c.want != "" {
			want = strings.Split(c.want, "|")
		}
		var lines []string
		if err != nil {
			lines = strings.Split(err.Error(), "\n")
		}
		ok := len(lines) == len(want)
		for i := range min(len(lines), len(want)) {
			ok = ok && strings.HasPrefix(lines[i], want[i]) && strings.Contains(lines[i], "; ") ||
				strings.Contains(lines[i], "stands beside")
		}
		if !ok || strings.Contains(fmt.Sprint(err), "hush") {
			t.Errorf("%s: %v\nwant %v", c.name, err, want)
		}
	}
}
