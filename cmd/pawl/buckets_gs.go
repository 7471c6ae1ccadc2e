//go:build !pawlnogs

package main

// Google's store brings gRPC along, a third of the binary: -tags pawlnogs leaves it out.
import _ "gocloud.dev/blob/gcsblob" // gs://
