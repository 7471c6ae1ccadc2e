package processor

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"net"

	"github.com/twmb/franz-go/pkg/kerr"
)

// refused says that a broker will not have the connection, or we not the broker, or that a file
// which it takes is missing: waiting does not mend it.
func refused(err error) bool {
	var wrong *tls.CertificateVerificationError
	var remote *net.OpError // of an alert that the broker sent
	var record tls.RecordHeaderError
	return errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.IllegalSaslState) ||
		errors.Is(err, kerr.UnsupportedSaslMechanism) || errors.As(err, &wrong) ||
		errors.As(err, &remote) && remote.Op == "remote error" || errors.As(err, &record) ||
		errors.Is(err, fs.ErrNotExist)
}
