//go:build unix

package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"pawl/integration/harness"
	"pawl/internal/loadgen"
)

// papers are the certificates of an authority, of the broker and of a client.
type papers struct{ ca, broker, cert, key, stranger string }

func newPapers(t *testing.T) *papers {
	t.Helper()
	dir := t.TempDir()
	p := &papers{ca: filepath.Join(dir, "ca.pem"), broker: filepath.Join(dir, "broker.pem"),
		cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
		stranger: filepath.Join(dir, "stranger.pem")}
	root := authority(t, p.ca)
	authority(t, p.stranger)
	cert, key := root(1)
	keep(t, p.broker, key+cert)
	cert, key = root(2)
	keep(t, p.cert, cert)
	keep(t, p.key, key)
	return p
}

func keep(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// authority makes one and returns what signs certificates of 127.0.0.1.
func authority(t *testing.T, path string) func(serial int64) (cert, key string) {
	t.Helper()
	make := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte,
		*ecdsa.PrivateKey) {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = own
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &own.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, own
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		Subject: pkix.Name{CommonName: path}, NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign}
	der, signer := make(root, root, nil)
	keep(t, path, text("CERTIFICATE", der))
	return func(serial int64) (string, string) {
		der, own := make(&x509.Certificate{SerialNumber: big.NewInt(serial),
			Subject: pkix.Name{CommonName: "somebody"}, NotAfter: time.Now().Add(time.Hour),
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{
				x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, root, signer)
		private, err := x509.MarshalPKCS8PrivateKey(own)
		if err != nil {
			t.Fatal(err)
		}
		return text("CERTIFICATE", der), text("PRIVATE KEY", private)
	}
}

// token is one that Kafka's validator for tests takes: a claim that nobody signed.
func token(subject string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part(fmt.Appendf(nil,
		`{"sub":%q,"iat":%d,"exp":%d}`, subject, time.Now().Unix(),
		time.Now().Add(time.Hour).Unix())) + "."
}

// secured starts a broker that has every way to be reached.
func secured(t *testing.T, p *papers) *harness.Cluster {
	t.Helper()
	const module = "org.apache.kafka.common.security."
	plain := module + `plain.PlainLoginModule required user_ann="one";`
	properties := map[string]string{
		"ssl.keystore.type": "PEM", "ssl.keystore.location": p.broker,
		"ssl.truststore.type": "PEM", "ssl.truststore.location": p.ca,
		"listener.name.ssl.ssl.client.auth": "required",
		"sasl.enabled.mechanisms":           "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
	}
	for _, listener := range []string{"sasl_plaintext", "sasl_ssl"} {
		for mechanism, jaas := range map[string]string{
			"plain":         plain,
			"scram-sha-256": module + "scram.ScramLoginModule required;",
			"scram-sha-512": module + "scram.ScramLoginModule required;",
			"oauthbearer": module + "oauthbearer.OAuthBearerLoginModule required " +
				`unsecuredLoginStringClaim_sub="broker";`,
		} {
			properties["listener.name."+listener+"."+mechanism+".sasl.jaas.config"] = jaas
		}
	}
	return harness.Kafka(t, harness.KafkaOptions{Properties: properties,
		Listeners: []string{"SSL", "SASL_PLAINTEXT", "SASL_SSL"}})
}

// entry is one way to reach the broker, right or wrong.
type entry struct {
	name     string
	settings []string
	wrong    string // what the refusal says; "" when it is right
}

func entries(t *testing.T, kafka *harness.Cluster, p *papers) []entry {
	dir := t.TempDir()
	fresh, password := filepath.Join(dir, "token"), filepath.Join(dir, "password")
	keep(t, fresh, token("pawl")+"\n")
	keep(t, password, "two\n")
	over := func(protocol string, more ...string) []string {
		return append([]string{"security.protocol=" + protocol,
			"bootstrap.servers=" + kafka.Listener(protocol)}, more...)
	}
	ca := "ssl.ca.location=" + p.ca
	ours := []string{"ssl.certificate.location=" + p.cert, "ssl.key.location=" + p.key}
	ann := []string{"sasl.mechanism=PLAIN", "sasl.username=ann", "sasl.password=one"}
	bob := []string{"sasl.username=bob", "sasl.secret.location=" + password}
	return []entry{
		{"mutual TLS", over("SSL", append(ours, ca)...), ""},
		{"PLAIN", over("SASL_PLAINTEXT", ann...), ""},
		{"PLAIN over TLS", over("SASL_SSL", append(ann, ca)...), ""},
		{"SCRAM-SHA-256", over("SASL_SSL", append(bob, ca, "sasl.mechanism=SCRAM-SHA-256")...), ""},
		{"SCRAM-SHA-512", over("SASL_PLAINTEXT", append(bob,
			"sasl.mechanism=SCRAM-SHA-512")...), ""},
		{"OAUTHBEARER", over("SASL_SSL", ca, "sasl.mechanism=OAUTHBEARER",
			"sasl.oauthbearer.token.location="+fresh), ""},

		{"wrong password", over("SASL_SSL", ca, "sasl.mechanism=PLAIN", "sasl.username=ann",
			"sasl.password=three"), "SASL_AUTHENTICATION_FAILED"},
		{"unknown user", over("SASL_PLAINTEXT", "sasl.mechanism=SCRAM-SHA-512", "sasl.username=eve",
			"sasl.password=three"), "SASL_AUTHENTICATION_FAILED"},
		{"no client certificate", over("SSL", ca), "tls: bad certificate"},
		{"another authority", over("SSL", append(ours, "ssl.ca.location="+p.stranger)...),
			"certificate signed by unknown authority"},
	}
}

// TestSecuredBrokers runs the service over every way to a broker, one after the other, and has the
// oracle judge the whole; with wrong credentials it ends at once and says why, and no secret.
func TestSecuredBrokers(t *testing.T) {
	t.Parallel()
	p := newPapers(t)
	kafka := secured(t, p)
	s := newStage(t, kafka, shared.Registry(t), 2)
	for _, mechanism := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		done, err := s.adm.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: "bob",
			Mechanism: mechanism, Iterations: 4096, Password: "two"}})
		if err = errors.Join(err, done.Error()); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	for i, e := range entries(t, kafka, p) {
		var args []string
		for _, kv := range append([]string{"application.id=" + s.app, "topic.prefix=" + s.prefix(),
			"schema.registry.url=" + s.url, "state.dir=" + dir, "instance.id=only",
			"http.listen=off"}, e.settings...) {
			args = append(args, "--set", kv)
		}
		if e.wrong == "" {
			load := s.sending(1_000, uint64(i))
			load.Count = 500
			if _, err := loadgen.Run(t.Context(), load); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		proc := harness.Start(t, shared.Pawl(t), harness.ProcOptions{Name: e.name,
			Args: append([]string{"run", "fraud"}, args...)})
		if e.wrong == "" {
			s.drained(time.Minute)
			if code := proc.Stop(); code != 0 {
				t.Errorf("%s: exit code %d: %s", e.name, code, proc.Output())
			}
			dead := harness.Start(t, shared.Pawl(t), harness.ProcOptions{Name: e.name + ", dead",
				Args: append([]string{"deadletter", "list"}, args...)})
			<-dead.Done()
			if code := dead.ExitCode(); code != 0 {
				t.Errorf("%s: dead letters: exit code %d: %s", e.name, code, dead.Output())
			}
			continue
		}
		select {
		case <-proc.Done():
		case <-time.After(time.Minute):
			t.Fatalf("%s: it does not end: %s", e.name, proc.Output())
		}
		said := proc.Output()
		t.Logf("%s, after %v: %s", e.name, time.Since(began).Round(time.Millisecond), said)
		if proc.ExitCode() != 1 || !strings.Contains(said, e.wrong) ||
			!strings.Contains(said, "security.protocol") || strings.Contains(said, "three") {
			t.Errorf("%s: exit code %d: %s", e.name, proc.ExitCode(), said)
		}
	}
	s.check()
}
