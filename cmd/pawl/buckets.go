package main

// The object stores that checkpoint.url may name, and the key services that
// checkpoint.encryption.key may; buckets_gs.go has one more of each.
import (
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/s3blob"    // s3://

	_ "gocloud.dev/secrets/awskms"        // awskms://
	_ "gocloud.dev/secrets/azurekeyvault" // azurekeyvault://
)
