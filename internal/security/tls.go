package security

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// dialTime bounds one connection with its handshake.
const dialTime = 10 * time.Second

// dialer connects over TLS. The files are read for each connection: connections are rare, and a
// rotated certificate is used from the next one on.
func (c *Config) dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		settings, err := c.tls(address)
		if err != nil {
			return nil, err
		}
		d := tls.Dialer{Config: settings}
		return d.DialContext(ctx, network, address)
	}
}

// tls is what a connection to an address is made with.
func (c *Config) tls(address string) (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if settings.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("broker address %s: %w", address, err)
		}
		settings.ServerName = host
	}
	var err error
	if c.CA != "" {
		if settings.RootCAs, err = readPool(c.CA); err != nil {
			return nil, fmt.Errorf("ssl.ca.location=%s: %w", c.CA, err)
		}
	}
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, fmt.Errorf("ssl.certificate.location=%s, ssl.key.location=%s: %w",
				c.Certificate, c.Key, err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}

// readPool reads certificates of authorities.
func readPool(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, cause(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("it holds no certificate in PEM")
	}
	return pool, nil
}

// readSecret reads what a file holds, without the end of its line.
func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", cause(err)
	}
	if text = bytes.TrimRight(text, "\r\n"); len(text) == 0 {
		return "", errors.New("it is empty")
	}
	return string(text), nil
}

// cause leaves out the path of an error of the file system: it is in the message already.
func cause(err error) error {
	var at *os.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
