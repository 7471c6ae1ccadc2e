// Package s3 is a server of the S3 protocol for tests, in this process and in memory, so that what
// speaks to object storage is tested over HTTP, on 127.0.0.1.
package s3
