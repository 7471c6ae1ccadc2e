//go:build unix

package servers

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// recordBytesMax lets a record of 10 MiB pass, with its batch and headers.
const recordBytesMax = 12 << 20

// properties are the settings of one node of a cluster, each line with the reason it differs
// from Kafka's default.
func properties(id int, nodes []*node, dataDir string, opts KafkaOptions) map[string]string {
	voters := make([]string, len(nodes))
	for i, n := range nodes {
		voters[i] = fmt.Sprintf("%d@%s", n.id, local(n.controllerPort))
	}
	self := nodes[id-1]
	replicas, minISR := "1", "1"
	if len(nodes) > 1 {
		replicas, minISR = "3", "2"
	}
	security := "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"
	advertised := "PLAINTEXT://" + local(self.port)
	for i, protocol := range opts.Listeners {
		security += "," + protocol + ":" + protocol
		advertised += "," + protocol + "://" + local(self.further[i])
	}
	p := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        strconv.Itoa(id),
		"controller.quorum.voters":       strings.Join(voters, ","),
		"controller.listener.names":      "CONTROLLER",
		"listener.security.protocol.map": security,
		"listeners": advertised + ",CONTROLLER://" +
			local(self.controllerPort),
		"advertised.listeners": advertised,
		"log.dirs":             dataDir,

		"default.replication.factor":                       replicas,
		"min.insync.replicas":                              minISR,
		"offsets.topic.replication.factor":                 replicas,
		"transaction.state.log.replication.factor":         replicas,
		"transaction.state.log.min.isr":                    minISR,
		"share.coordinator.state.topic.min.isr":            minISR,
		"unclean.leader.election.enable":                   "false", // acknowledged means kept
		"auto.create.topics.enable":                        "false", // a misspelt topic is an error
		"share.coordinator.state.topic.replication.factor": replicas,

		// Few partitions of internal topics: the first transaction creates them all.
		"offsets.topic.num.partitions":                 "6",
		"transaction.state.log.num.partitions":         "6",
		"share.coordinator.state.topic.num.partitions": "1",

		// Tests bring records with event times long past.
		"log.retention.ms": "-1",

		"message.max.bytes":                strconv.Itoa(recordBytesMax),
		"replica.fetch.max.bytes":          strconv.Itoa(recordBytesMax),
		"replica.fetch.response.max.bytes": strconv.Itoa(recordBytesMax),

		// What takes seconds in production takes about one here.
		"group.initial.rebalance.delay.ms":                            "0",
		"group.min.session.timeout.ms":                                "1000",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
		"broker.session.timeout.ms":                                   "4000",
		"broker.heartbeat.interval.ms":                                "500",

		// A fraction of the default, which would be a quarter of the smaller heap.
		"log.cleaner.dedupe.buffer.size": strconv.Itoa(32 << 20),
	}
	maps.Copy(p, opts.Properties)
	return p
}

// render writes properties as Java reads them, sorted.
func render(p map[string]string) string {
	var b strings.Builder
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", key, escape.Replace(p[key]))
	}
	return b.String()
}
