package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"pawl/integration/rolling"
	"pawl/processor"
	"pawl/schemas"
)

// What a build differs in: `-ldflags "-X main.release=2 -X main.schema=next"`.
var (
	release = "1"
	schema  = "old"
)

func main() {
	brokers := flag.String("brokers", "", "Kafka's addresses")
	registry := flag.String("registry", "", "the schema registry's address")
	app := flag.String("app", "", "application.id")
	name := flag.String("name", "", "instance.id")
	dir := flag.String("dir", "", "state.dir")
	prefix := flag.String("prefix", "", "topic.prefix")
	flag.Parse()
	build := rolling.Old
	if schema == "next" {
		build = rolling.Next
	}
	fmt.Printf("release %s, schema %s\n", release, schema)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err := processor.Run(ctx, processor.Config{
		ApplicationID: *app, InstanceID: *name, TopicPrefix: *prefix, StateDir: *dir,
		Brokers:        strings.Split(*brokers, ","),
		Registry:       schemas.NewClient(schemas.ClientConfig{URL: *registry}),
		SessionTimeout: 6 * time.Second, MemoryMax: 64 << 20,
		Listeners: []processor.Listener{{
			TaskState: func(s processor.TaskStateInfo) {
				fmt.Printf("task %s is %s %s\n", s.Task, s.State, s.Reason)
			},
			Warning: func(text string) { fmt.Println("warning:", text) },
		}},
	}, build())
	if err != nil {
		log.Fatal(err)
	}
}
