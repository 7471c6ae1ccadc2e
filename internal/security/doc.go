// Package security is how connections to brokers and to the registry are protected and how they
// authenticate: what stands in files is read again when it has changed, so that certificates and
// passwords can be rotated under a running instance, and no secret is part of any message.
//
// The files: config.go (what there is to set, and what is wrong with it), tls.go (encryption),
// sasl.go (authentication), registry.go (the same for the schema registry).
package security
