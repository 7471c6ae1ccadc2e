//go:build unix

package main

import "syscall"

// keepPrivate lets nobody else read what the process makes from now on: a store's files hold what
// passed through the topics.
func keepPrivate() { syscall.Umask(0o077) }
