// Package servers runs real servers as child processes, without containers: a cluster of
// Apache Kafka in KRaft mode and an Apicurio Registry that speaks the Confluent API. A server
// that Start returned has answered a real request, and it never outlives the process that
// started it.
//
// The servers themselves are pinned in pom.xml and fetched by fetch.sh (or make servers) into
// .servers/ at the root of the repository; PAWL_SERVERS_DIR names another folder. They need
// Java 17, nothing else. Kafka Streams, which streams.xml pins, comes with them, for programs that
// a test compiles: that takes a JDK. When Java or the fetched files are missing the error is an
// [Unavailable], which says how to mend it.
//
// On disk, below the folder that the caller gives:
//
//	node-1/server.properties   what the broker runs with
//	node-1/data/               its log segments and metadata; survives Kill and Restart
//	node-1/server.log          warnings and errors, of all its runs
//	registry/                  the registry's database and log; survive Stop and Start
//
// Order of files: install.go finds what fetch.sh fetched, ports.go picks ports, kafka.go is the
// cluster, node.go one broker of it, properties.go its settings, ready.go asks whether it
// serves, registry.go is the Schema Registry, streams.go finds Kafka Streams.
package servers
