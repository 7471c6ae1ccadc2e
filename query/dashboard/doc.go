// Package dashboard serves the page that shows an application, from the binary alone.
//
// Files: dashboard.go (the handler), where.go (/dashboard.json).
package dashboard
