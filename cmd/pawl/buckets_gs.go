//go:build !pawlnogs

package main

// Google's services bring gRPC along, a third of the binary: -tags pawlnogs leaves them out.
import (
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/secrets/gcpkms" // gcpkms://
)
