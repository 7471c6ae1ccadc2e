package security

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
)

// Registry says how the schema registry is reached. The zero value trusts what the machine trusts
// and authenticates with nothing.
type Registry struct {
	URL string // schema.registry.url

	CA          string // schema.registry.ssl.ca.location, PEM; "" trusts what the machine trusts
	Certificate string // schema.registry.ssl.certificate.location, PEM, with Key: who we are
	Key         string // schema.registry.ssl.key.location, PEM
	ServerName  string // schema.registry.ssl.server.name; "" is the host that is dialled

	User         string // schema.registry.user
	Password     string // schema.registry.password
	PasswordFile string // schema.registry.secret.location, instead of Password
	Bearer       string // schema.registry.bearer.token
	BearerFile   string // schema.registry.bearer.location, instead of Bearer
}

// The settings of a Registry's TLS.
const (
	registryCA          = "schema.registry.ssl.ca.location"
	registryCertificate = "schema.registry.ssl.certificate.location"
	registryKey         = "schema.registry.ssl.key.location"
	registryServerName  = "schema.registry.ssl.server.name"
)

// encrypted says that the connection is one of TLS.
func (r *Registry) encrypted() bool {
	return strings.HasPrefix(strings.ToLower(r.URL), "https://")
}

// TLS is what a connection is made with. It reads the files each time: a rotated certificate is
// used from the next connection on.
func (r *Registry) TLS() (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: r.ServerName}
	var err error
	if r.CA != "" {
		if settings.RootCAs, err = readPool(r.CA); err != nil {
			return nil, fmt.Errorf("%s=%s: %w", registryCA, r.CA, err)
		}
	}
	if r.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(r.Certificate, r.Key)
		if err != nil {
			return nil, fmt.Errorf("%s=%s, %s=%s: %w", registryCertificate, r.Certificate,
				registryKey, r.Key, err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}

// Secret is the password for basic authentication, read from its file each time.
func (r *Registry) Secret() (string, error) {
	return secretOf("schema.registry.secret.location", r.Password, r.PasswordFile)
}

// Token is the bearer token, read from its file each time; "" sends none.
func (r *Registry) Token() (string, error) {
	return secretOf("schema.registry.bearer.location", r.Bearer, r.BearerFile)
}

func secretOf(key, value, file string) (string, error) {
	if file == "" {
		return value, nil
	}
	secret, err := readSecret(file)
	if err != nil {
		return "", fmt.Errorf("%s=%s: %w", key, file, err)
	}
	return secret, nil
}

// Validate returns all that is wrong, each worded "key=value: what is wrong; mend". It reads the
// files.
func (r *Registry) Validate() error {
	var faults []error
	fault := func(key, value, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s=%s: %s", key, value, fmt.Sprintf(format, args...)))
	}
	r.checkTLS(fault)
	r.checkWho(fault)
	return errors.Join(faults...)
}

func (r *Registry) checkTLS(fault faultFunc) {
	if !r.encrypted() {
		for _, unused := range [][2]string{{registryCA, r.CA}, {registryCertificate, r.Certificate},
			{registryKey, r.Key}, {registryServerName, r.ServerName}} {
			if unused[1] != "" {
				fault(unused[0], unused[1], "is not used while schema.registry.url does not begin "+
					"with https://; write it so, or leave this out")
			}
		}
		return
	}
	if r.CA != "" {
		if _, err := readPool(r.CA); err != nil {
			fault(registryCA, r.CA, "%v; give a PEM file with the certificates of the "+
				"authorities that sign the registry's", err)
		}
	}
	switch {
	case r.Certificate == "" && r.Key != "":
		fault(registryCertificate, "", "is missing beside %s; give both for a client "+
			"certificate, or none", registryKey)
	case r.Certificate != "" && r.Key == "":
		fault(registryKey, "", "is missing beside %s; give both for a client certificate, or none",
			registryCertificate)
	case r.Certificate != "":
		if _, err := tls.LoadX509KeyPair(r.Certificate, r.Key); err != nil {
			fault(registryCertificate, r.Certificate, "with %s=%s: %v; give a certificate and "+
				"its private key without a password, both PEM", registryKey, r.Key, err)
		}
	}
}

// checkWho looks at what we authenticate with: basic, a bearer token or nothing, never two.
func (r *Registry) checkWho(fault faultFunc) {
	password, token := r.Password != "" || r.PasswordFile != "",
		r.Bearer != "" || r.BearerFile != ""
	switch {
	case r.Password != "" && r.PasswordFile != "":
		fault("schema.registry.secret.location", r.PasswordFile,
			"stands beside schema.registry.password; give one")
	case r.User == "" && password:
		fault("schema.registry.user", "", "is missing beside a password; give both, or neither")
	case r.User != "" && !password:
		fault("schema.registry.user", r.User, "has no password; give schema.registry.password or "+
			"schema.registry.secret.location")
	}
	switch {
	case r.Bearer != "" && r.BearerFile != "":
		fault("schema.registry.bearer.location", r.BearerFile,
			"stands beside schema.registry.bearer.token; give one")
	case r.User != "" && token:
		fault("schema.registry.user", r.User, "stands beside a bearer token; give one of them")
	}
	for _, f := range [][2]string{{"schema.registry.secret.location", r.PasswordFile},
		{"schema.registry.bearer.location", r.BearerFile}} {
		if f[1] == "" {
			continue
		}
		if _, err := readSecret(f[1]); err != nil {
			fault(f[0], f[1], "%v; give a readable file that holds the secret", err)
		}
	}
}
