package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pawl/internal/settings"
)

// authority signs certificates for tests.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its own certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert = &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.file, _ = a.sign(t, name, a.cert, nil)
	return a
}

// sign writes a certificate and its key.
func (a *authority) sign(t *testing.T, name string, c *x509.Certificate, change func()) (
	cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if change != nil {
		change()
	}
	if a.key == nil {
		a.key = k
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return a.write(t, name+".pem", "CERTIFICATE", raw),
		a.write(t, name+"-key.pem", "PRIVATE KEY", der)
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(a.dir, name)
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// issue writes the certificate of an instance on this machine.
func (a *authority) issue(t *testing.T, name string, uses ...x509.ExtKeyUsage) (cert, key string) {
	t.Helper()
	return a.sign(t, name, &x509.Certificate{Subject: pkix.Name{CommonName: name},
		ExtKeyUsage: uses, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, nil)
}

func givenSettings(t *testing.T, values map[string]string) *settings.Settings {
	t.Helper()
	var sets []string
	for _, key := range sortedKeys(values) {
		sets = append(sets, key+"="+values[key])
	}
	s, err := settings.Load(settings.Sources{Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBrokenFiles names the setting, its value, what is wrong and what mends it.
func TestBrokenFiles(t *testing.T) {
	ca := newAuthority(t, "ca")
	cert, key := ca.issue(t, "one")
	_, other := ca.issue(t, "other")
	ended := &x509.Certificate{}
	old, oldKey := ca.sign(t, "old", ended,
		func() { ended.NotAfter = time.Now().Add(-time.Minute) })
	soon := &x509.Certificate{}
	young, youngKey := ca.sign(t, "young", soon,
		func() { soon.NotBefore = time.Now().Add(time.Minute) })
	empty := ca.write(t, "empty.pem", "NOTHING", nil)
	torn := ca.write(t, "torn.pem", "CERTIFICATE", []byte("x"))
	locked := ca.write(t, "locked.pem", "ENCRYPTED PRIVATE KEY", []byte("x"))
	for _, c := range []struct {
		files map[string]string
		wrong string // setting
		says  string
	}{
		{map[string]string{apiCert: cert, apiKey: key}, "", ""},
		{map[string]string{apiCert: cert, apiKey: key, apiCA: ca.file, apiClientCA: ca.file},
			"", ""},
		{map[string]string{apiCert: cert + "x", apiKey: key}, apiCert, "no such file"},
		{map[string]string{apiCert: ca.dir, apiKey: key}, apiCert, "cannot be read"},
		{map[string]string{apiCert: empty, apiKey: key}, apiCert, "holds no certificate"},
		{map[string]string{apiCert: torn, apiKey: key}, apiCert, "make it anew"},
		{map[string]string{apiCert: old, apiKey: oldKey}, apiCert, "renew it"},
		{map[string]string{apiCert: young, apiKey: youngKey}, apiCert, "set the clock"},
		{map[string]string{apiCert: cert, apiKey: empty}, apiKey, "holds no private key"},
		{map[string]string{apiCert: cert, apiKey: locked}, apiKey, "is encrypted"},
		{map[string]string{apiCert: cert, apiKey: other}, apiKey, "does not go with"},
		{map[string]string{apiCA: empty}, apiCA, "holds no certificate"},
		{map[string]string{apiCert: cert, apiKey: key, apiClientCA: torn}, apiClientCA,
			"holds no certificate"},
	} {
		s := givenSettings(t, c.files)
		_, err := openAPIFiles(s)
		if c.wrong == "" {
			if err != nil {
				t.Errorf("%v: %v", c.files, err)
			}
			continue
		}
		begin := c.wrong + "=" + c.files[c.wrong] + " (from flag --set): "
		if said := s.Explain(err).Error(); err == nil || !strings.HasPrefix(said, begin) ||
			!strings.Contains(said, c.says) || strings.Contains(said, "\n") {
			t.Errorf("%v: %v", c.files, said)
		}
	}
	for set, want := range map[string]string{apiCert: "has no key", apiKey: "has no certificate",
		apiClientCA: "without encryption", "api.readonly.token": "everybody may do everything"} {
		err := apiFaults(givenSettings(t, map[string]string{set: "x"}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s alone: %v", set, err)
		}
	}
	code, _, said := pawl(nil, "config", "fraud", "--set", "api.token=s3same", "--set",
		"api.readonly.token=s3same")
	if code != 2 || !strings.Contains(said, "api.readonly.token=****** ") ||
		strings.Contains(said, "s3same") {
		t.Errorf("one token for both: exit %d\n%s", code, said)
	}
	_, out, _ := pawl(nil, "config", "fraud", "--set", "api.token=s3one", "--set",
		"api.readonly.token=s3two")
	if strings.Contains(out, "s3") || strings.Count(out, "******") != 2 {
		t.Errorf("tokens are shown:\n%s", out)
	}
}

// TestFilesChange: the next connection has what is in the files, unless that cannot be used.
func TestFilesChange(t *testing.T) {
	ca := newAuthority(t, "ca")
	cert, key := ca.issue(t, "one")
	f, err := openAPIFiles(givenSettings(t, map[string]string{apiCert: cert, apiKey: key,
		apiCA: ca.file}))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	f.now = func() time.Time { return now }
	var told []error
	f.fault = func(err error) { told = append(told, err) }
	shown := func() *big.Int {
		now = now.Add(2 * lookEvery)
		config, err := f.server().GetConfigForClient(nil)
		if err != nil {
			t.Fatal(err)
		}
		return config.Certificates[0].Leaf.SerialNumber
	}
	first := shown()
	if first.Cmp(shown()) != 0 {
		t.Error("it changes by itself")
	}
	ca.issue(t, "one")
	second := shown()
	if first.Cmp(second) == 0 || len(told) != 0 {
		t.Errorf("renewed, and the old one is shown; told %v", told)
	}
	if err := os.WriteFile(key, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if shown().Cmp(second) != 0 {
			t.Error("what cannot be used is used")
		}
	}
	if len(told) != 1 || !strings.Contains(told[0].Error(), apiKey+"="+key) {
		t.Errorf("told %v", told)
	}
	ca.issue(t, "one")
	if third := shown(); third.Cmp(second) == 0 {
		t.Error("mended, and not shown")
	}
}

// secured is an application of two instances that speak TLS and know their clients.
type secured struct {
	ca     *authority
	common []string // settings
	addrs  []string
	svcs   []*background
	root   string // of checkpoints
}

func secure(t *testing.T) (*secured, []string) {
	t.Helper()
	c, flags := testCluster(t)
	if err := createInputs(t.Context(), c.admin(t), []string{"transactions"}, 4); err != nil {
		t.Fatal(err)
	}
	s := &secured{ca: newAuthority(t, "ca"), root: t.TempDir()}
	cert, key := s.ca.issue(t, "pawl", x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	s.common = []string{"--set", apiCert + "=" + cert, "--set", apiKey + "=" + key, "--set",
		apiCA + "=" + s.ca.file, "--set", apiClientCA + "=" + s.ca.file, "--set",
		"api.token=full", "--set", "api.readonly.token=some"}
	for n := range 2 {
		svc := inBackground(t, append(append([]string{"run", "fraud", "--set",
			"application.id=tls", "--set", "state.dir=" + t.TempDir(), "--set",
			"http.listen=127.0.0.1:0", "--set", "checkpoint.url=file://" + s.root, "--set",
			fmt.Sprint("instance.id=i", n)}, s.common...), flags...)...)
		s.svcs = append(s.svcs, svc)
		eventually(t, "it listens", svc, func() bool {
			return strings.Contains(svc.out.String(), "\n")
		})
		s.addrs = append(s.addrs, strings.TrimPrefix(strings.TrimSpace(svc.out.String()),
			listeningAt))
	}
	code, _, said := pawl(nil, append([]string{"generate", "fraud", "--count", "2000", "--rate",
		"0", "--users", "20"}, flags...)...)
	if code != 0 {
		t.Fatalf("generate: exit %d\n%s", code, said)
	}
	return s, flags
}

// client is somebody with a certificate, or without, and a token.
func (s *secured) client(t *testing.T, who *authority, token string) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(parsed(t, s.ca.file))
	config := &tls.Config{RootCAs: roots}
	if who != nil {
		cert, key := who.issue(t, "client", x509.ExtKeyUsageClientAuth)
		own, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		// Whatever authority the server names: a stranger shows what he has.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &own, nil
		}
	}
	return &http.Client{Timeout: 20 * time.Second, Transport: &bearer{token: token,
		next: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}}
}

func parsed(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(block(text, "CERTIFICATE"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *secured) ask(t *testing.T, c *http.Client, method, addr, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// TestSecured has two instances with TLS, certificates and both tokens asked by all kinds of
// clients, reads across them, and from a checkpoint.
func TestSecured(t *testing.T) {
	s, flags := secure(t)
	good := s.client(t, s.ca, "full")
	eventually(t, "all tasks are seen from both", s.svcs[0], func() bool {
		for _, addr := range s.addrs {
			code, body := s.ask(t, good, "GET", addr, "/v1/tasks")
			if code != 200 || strings.Count(body, `"RUNNING"`) != 4 ||
				!strings.Contains(body, `"i0"`) || !strings.Contains(body, `"i1"`) {
				return false
			}
		}
		return true
	})
	reader := s.client(t, s.ca, "some")
	for _, q := range []struct {
		who          *http.Client
		method, path string
		code         int
	}{
		{s.client(t, nil, ""), "GET", "/ping", 200},
		{s.client(t, nil, ""), "GET", "/v1/tasks", 401},
		{s.client(t, nil, "full"), "GET", "/v1/tasks", 401},
		{s.client(t, s.ca, ""), "GET", "/metrics", 401},
		{s.client(t, newAuthority(t, "stranger"), "full"), "GET", "/v1/tasks", 0},
		{reader, "GET", "/v1/tasks", 200},
		{reader, "POST", "/v1/checkpoints", 403},
		{good, "PUT", "/v1/checkpoints", 405},
	} {
		code, body := s.ask(t, q.who, q.method, s.addrs[0], q.path)
		if code != q.code || code >= 400 && !strings.Contains(body, `"detail"`) {
			t.Errorf("%s %s: %d %s, want %d", q.method, q.path, code, body, q.code)
		}
	}
	if code, body := get(t, "http://"+s.addrs[0]+"/v1/tasks"); code != 400 {
		t.Errorf("without encryption: %d %s", code, body)
	}
	s.commands(t, flags)
	s.past(t, reader)
	for _, svc := range s.svcs {
		stopped(t, svc)
	}
}

// commands has those that talk to an instance do so.
func (s *secured) commands(t *testing.T, flags []string) {
	t.Helper()
	for _, addr := range s.addrs {
		report := answer[takenReport](t, 0, append([]string{"checkpoint", "now", "--http", addr},
			s.common...)...)
		if len(report.Checkpoints) == 0 || report.Checkpoints[0].Result != "written" {
			t.Errorf("now: %+v", report)
		}
	}
	code, out, said := pawl(nil, append(append([]string{"state", "scan", "velocity", "--limit",
		"3", "--http", s.addrs[0]}, s.common...), flags...)...)
	if code != 0 || strings.Count(out, "\n") != 3 {
		t.Errorf("scan: exit %d\n%s%s", code, out, said)
	}
	code, _, said = pawl(nil, "checkpoint", "now", "--http", s.addrs[0], "--set",
		apiCA+"="+newAuthority(t, "other").file)
	if code != 1 || !strings.Contains(said, "set api.tls.ca to the file") {
		t.Errorf("of an unknown authority: exit %d\n%s", code, said)
	}
	code, _, said = pawl(nil, "checkpoint", "now", "--http", s.addrs[0], "--set",
		apiCA+"="+s.ca.file)
	if code != 1 || !strings.Contains(said, "client certificate") {
		t.Errorf("without a certificate: exit %d\n%s", code, said)
	}
}

// past reads what was there before more came.
func (s *secured) past(t *testing.T, c *http.Client) {
	t.Helper()
	const keys = "/v1/state/keyvalues/velocity?limit=1000"
	_, list := s.ask(t, c, "GET", s.addrs[1], "/v1/checkpoints")
	if strings.Count(list, `"complete":true`) != 5 {
		t.Fatalf("checkpoints: %s", list)
	}
	code, then := s.ask(t, c, "GET", s.addrs[0], keys+"&wait=20s&as-of="+
		time.Now().UTC().Format(time.RFC3339Nano))
	if code != 200 || strings.Count(then, `"checkpoint":"000`) != 4 ||
		!strings.Contains(then, `"complete":true`) {
		t.Fatalf("as of now: %d %s", code, then)
	}
	_, now := s.ask(t, c, "GET", s.addrs[0], keys)
	rows := func(text string) string {
		_, text, _ = strings.Cut(text, `"rows":`)
		text, _, _ = strings.Cut(text, `,"store"`)
		return text
	}
	if rows(then) != rows(now) || len(rows(now)) < 100 {
		t.Errorf("a checkpoint of this state says\n%.300s\nthe instance\n%.300s", then, now)
	}
	code, body := s.ask(t, c, "GET", s.addrs[0], keys+"&as-of=2020-01-01T00:00:00Z")
	if code != 404 || !strings.Contains(body, "the oldest is 0") {
		t.Errorf("long ago: %d %s", code, body)
	}
}

// TestBodies: a body that is too large is read no further.
func TestBodies(t *testing.T) {
	at, stop, err := serve(t.Context(), "127.0.0.1:0", http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "%d %v", n, err)
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := strings.Repeat("x", bodyMax+1)
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if !strings.HasPrefix(string(text), fmt.Sprint(bodyMax, " http: request body too large")) {
		t.Errorf("a large body: %s", text)
	}
}
