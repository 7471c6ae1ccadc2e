package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"pawl/processor"
	"pawl/schemas"
)

func main() {
	brokers := flag.String("brokers", "127.0.0.1:9092", "Kafka's addresses")
	registry := flag.String("registry", "http://127.0.0.1:8081", "the schema registry's address")
	dir := flag.String("dir", "parcels-state", "where state is kept; one for each process")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	at := cluster{strings.Split(*brokers, ","),
		schemas.NewClient(schemas.ClientConfig{URL: *registry})}
	switch command := flag.Arg(0); command {
	case "run":
		err = processor.Run(ctx, processor.Config{ApplicationID: "parcels", Brokers: at.brokers,
			Registry: at.registry, StateDir: *dir,
			Listeners: []processor.Listener{{TaskState: func(s processor.TaskStateInfo) {
				log.Printf("task %s is %s %s", s.Task, s.State, s.Reason)
			}}}}, parcels())
	case "scan":
		err = scan(ctx, at)
	case "watch":
		err = watch(ctx, at)
	case "replay":
		err = again(ctx, at, *dir)
	default:
		err = fmt.Errorf("command %q is unknown; use run, scan, watch or replay", command)
	}
	if err != nil {
		log.Fatal(err)
	}
}
