// Command child is what the harness tests start: it says its argument and an environment
// variable, and ends on SIGTERM with exit code 3.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	fmt.Println("ready", os.Args[1], os.Getenv("CHILD_WORD"))
	<-term
	os.Exit(3)
}
