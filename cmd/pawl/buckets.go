package main

// The object stores that checkpoint.url may name; buckets_gs.go has one more.
import (
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/s3blob"    // s3://
)
