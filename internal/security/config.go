package security

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The values of Config.Protocol.
const (
	Plaintext     = "PLAINTEXT"
	SSL           = "SSL"
	SASLPlaintext = "SASL_PLAINTEXT"
	SASLSSL       = "SASL_SSL"
)

// The values of Config.Mechanism.
const (
	Plain       = "PLAIN"
	Scram256    = "SCRAM-SHA-256"
	Scram512    = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
	MSKIAM      = "AWS_MSK_IAM"
)

// Config says how brokers are reached, in the words of Kafka's own clients. The zero value is
// plain text without authentication. AWS_MSK_IAM takes its credentials from where AWS's tools do.
type Config struct {
	Protocol string // security.protocol; "" means PLAINTEXT

	CA          string // ssl.ca.location, PEM; "" trusts what the machine trusts
	Certificate string // ssl.certificate.location, PEM, with Key: who we are
	Key         string // ssl.key.location, PEM
	ServerName  string // ssl.server.name; "" is the host that is dialled

	Mechanism    string // sasl.mechanism
	User         string // sasl.username
	Password     string // sasl.password
	PasswordFile string // sasl.secret.location, instead of Password
	OAuth        OAuth
}

// OAuth is where OAUTHBEARER's tokens come from: a file that somebody keeps fresh, or an endpoint
// that gives them for client credentials (RFC 6749, section 4.4).
type OAuth struct {
	TokenFile    string // sasl.oauthbearer.token.location
	URL          string // sasl.oauthbearer.token.endpoint.url
	ClientID     string // sasl.oauthbearer.client.id
	ClientSecret string // sasl.oauthbearer.client.secret
	Scope        string // sasl.oauthbearer.scope, separated by spaces
}

// encrypted says that the connection is one of TLS.
func (c *Config) encrypted() bool { return c.Protocol == SSL || c.Protocol == SASLSSL }

// authenticates says that SASL follows.
func (c *Config) authenticates() bool {
	return c.Protocol == SASLPlaintext || c.Protocol == SASLSSL
}

// Options are those of a client that connects so. What is wrong shows when it connects.
func (c *Config) Options() []kgo.Opt {
	var opts []kgo.Opt
	if c.encrypted() {
		opts = append(opts, kgo.Dialer(c.dialer()))
	}
	if c.authenticates() {
		opts = append(opts, kgo.SASL(c.mechanism()))
	}
	return opts
}

// Validate returns all that is wrong, each worded "key=value: what is wrong; mend". It reads the
// files.
func (c *Config) Validate() error {
	var faults []error
	fault := func(key, value, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s=%s: %s", key, value, fmt.Sprintf(format, args...)))
	}
	if !c.encrypted() {
		for _, unused := range [][2]string{{"ssl.ca.location", c.CA},
			{"ssl.certificate.location", c.Certificate}, {"ssl.key.location", c.Key},
			{"ssl.server.name", c.ServerName}} {
			if unused[1] != "" {
				fault(unused[0], unused[1], "is not used while security.protocol is %s; set "+
					"security.protocol to SSL or SASL_SSL, or leave this out", c.protocol())
			}
		}
	}
	if !c.authenticates() && c.Mechanism != "" {
		fault("sasl.mechanism", c.Mechanism, "is not used while security.protocol is %s; set "+
			"security.protocol to SASL_SSL or SASL_PLAINTEXT, or leave this out", c.protocol())
	}
	if c.encrypted() {
		c.checkTLS(fault)
	}
	if c.authenticates() {
		c.checkSASL(fault)
	}
	return errors.Join(faults...)
}

func (c *Config) protocol() string {
	if c.Protocol == "" {
		return Plaintext
	}
	return c.Protocol
}

type faultFunc func(key, value, format string, args ...any)

func (c *Config) checkTLS(fault faultFunc) {
	if c.CA != "" {
		if _, err := readPool(c.CA); err != nil {
			fault("ssl.ca.location", c.CA, "%v; give a PEM file with the certificates of the "+
				"authorities that sign the brokers'", err)
		}
	}
	switch {
	case c.Certificate == "" && c.Key != "":
		fault("ssl.certificate.location", "", "is missing beside ssl.key.location; give both for "+
			"a client certificate, or none")
	case c.Certificate != "" && c.Key == "":
		fault("ssl.key.location", "", "is missing beside ssl.certificate.location; give both for "+
			"a client certificate, or none")
	case c.Certificate != "":
		if _, err := tls.LoadX509KeyPair(c.Certificate, c.Key); err != nil {
			fault("ssl.certificate.location", c.Certificate, "with ssl.key.location=%s: %v; give "+
				"a certificate and its private key without a password, both PEM", c.Key, err)
		}
	}
}

func (c *Config) checkSASL(fault faultFunc) {
	switch c.Mechanism {
	case "":
		fault("sasl.mechanism", "", "is missing while security.protocol is %s; give PLAIN, "+
			"SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM", c.Protocol)
	case Plain, Scram256, Scram512:
		if c.User == "" {
			fault("sasl.username", "", "is missing; %s needs it", c.Mechanism)
		}
		switch {
		case c.Password != "" && c.PasswordFile != "":
			fault("sasl.secret.location", c.PasswordFile, "stands beside sasl.password; give one")
		case c.PasswordFile != "":
			if _, err := readSecret(c.PasswordFile); err != nil {
				fault("sasl.secret.location", c.PasswordFile, "%v; give a readable file that "+
					"holds the password", err)
			}
		case c.Password == "":
			fault("sasl.password", "", "is missing; %s needs it, or sasl.secret.location",
				c.Mechanism)
		}
	case OAuthBearer:
		c.OAuth.check(fault)
	}
}

func (o *OAuth) check(fault faultFunc) {
	switch {
	case o.TokenFile == "" && o.URL == "":
		fault("sasl.oauthbearer.token.endpoint.url", "", "is missing; OAUTHBEARER needs it, or "+
			"sasl.oauthbearer.token.location")
	case o.TokenFile != "" && o.URL != "":
		fault("sasl.oauthbearer.token.location", o.TokenFile,
			"stands beside sasl.oauthbearer.token.endpoint.url; give one")
	case o.TokenFile != "":
		if _, err := readSecret(o.TokenFile); err != nil {
			fault("sasl.oauthbearer.token.location", o.TokenFile,
				"%v; give a readable file that holds the token", err)
		}
	default:
		if u, err := url.Parse(o.URL); err != nil || u.Host == "" ||
			!strings.HasPrefix(u.Scheme, "http") {
			fault("sasl.oauthbearer.token.endpoint.url", o.URL,
				"is no URL; give for example https://login.example.com/oauth2/token")
		}
		if o.ClientID == "" {
			fault("sasl.oauthbearer.client.id", "", "is missing; the token endpoint needs it")
		}
		if o.ClientSecret == "" {
			fault("sasl.oauthbearer.client.secret", "", "is missing; the token endpoint needs it")
		}
	}
}
