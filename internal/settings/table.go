package settings

import (
	"slices"

	"pawl/internal/security"
	"pawl/schemas"
)

// A Setting describes one setting.
type Setting struct {
	// Name is the dotted name.
	Name string
	// Default is the text used when no source gives a value.
	Default string
	// Doc is one sentence for the operator.
	Doc string
	// Secret values are masked in all output.
	Secret bool

	kind kind
}

// Table lists every setting there is: first those of the engine, then those of each pipeline. The
// order is the one `pawl config` prints.
func Table() []Setting {
	return slices.Concat(general(), fraudSettings(), iotSettings(), activitySettings(),
		pageviewsSettings(), funnelSettings())
}

func general() []Setting {
	return slices.Concat(connection(), traffic(), protection(), engine(), checkpoints())
}

func connection() []Setting {
	return []Setting{
		{Name: "application.id", kind: text{},
			Doc: "Consumer group, prefix of internal topics and the transactional id; required."},
		{Name: "instance.id", kind: text{},
			Doc: "Name of this instance, the same at each start; default a random one, kept."},
		{Name: "bootstrap.servers", kind: list{},
			Doc: "Broker addresses host:port, comma separated; required."},
		{Name: "schema.registry.url", kind: address{},
			Doc: "URL of the schema registry, may have a path; required."},
		{Name: "schema.registry.user", kind: text{},
			Doc: "User for the registry's basic authentication."},
		{Name: "schema.registry.password", kind: text{secret: true}, Secret: true,
			Doc: "Password for the registry's basic authentication."},
		{Name: "schema.registry.secret.location", kind: text{},
			Doc: "File that holds that password; read at each request."},
		{Name: "schema.registry.bearer.token", kind: text{}, Secret: true,
			Doc: "Bearer token for the registry, instead of user and password."},
		{Name: "schema.registry.bearer.location", kind: text{},
			Doc: "File that holds the bearer token; read at each request."},
		{Name: "schema.registry.ssl.ca.location", kind: text{},
			Doc: "PEM file of the authorities that sign an https registry; default the machine's."},
		{Name: "schema.registry.ssl.certificate.location", kind: text{},
			Doc: "PEM file of the client certificate for the registry; read at each request."},
		{Name: "schema.registry.ssl.key.location", kind: text{},
			Doc: "PEM file of that certificate's private key."},
		{Name: "schema.registry.ssl.server.name", kind: text{},
			Doc: "Name that the registry's certificate must have; default the host dialled."},
		{Name: "subject.name.strategy", Default: string(schemas.TopicName), kind: choice{
			string(schemas.TopicName), string(schemas.RecordName), string(schemas.TopicRecordName)},
			Doc: "Subjects of inputs and outputs: TopicNameStrategy, RecordNameStrategy or " +
				"TopicRecordNameStrategy."},
		{Name: "auto.register.schemas", Default: "true", kind: truth{},
			Doc: "Register schemas at start; false only looks them up."},
		{Name: "topics.create", Default: "true", kind: truth{},
			Doc: "Create output and internal topics that are missing; input topics never are."},
		{Name: "topic.prefix", kind: text{},
			Doc: "Put before the names of the pipeline's input and output topics."},
		{Name: "replication.factor", Default: "-1", kind: number{min: -1, max: 32767, not0: true},
			Doc: "Replication factor of created topics; -1 is the broker's default."},
	}
}

// traffic is how records come and go, in Kafka's names where it has some.
func traffic() []Setting {
	return []Setting{
		{Name: "compression.type", Default: "snappy",
			kind: choice{"none", "gzip", "snappy", "lz4", "zstd"},
			Doc:  "Compression of produced batches: none, gzip, snappy, lz4 or zstd."},
		{Name: "client.rack", kind: text{},
			Doc: "Rack of this instance: brokers that know theirs let it read from the nearest."},
		{Name: "fetch.min.bytes", Default: "1", kind: size{},
			Doc: "How much a broker gathers before it answers, for as long as fetch.max.wait."},
		{Name: "fetch.max.wait", Default: "100ms", kind: duration{positive: true},
			Doc: "How long a broker may wait for that; a task that starts waits as long."},
		{Name: "fetch.max.bytes", Default: "auto", kind: size{auto: true},
			Doc: "Most bytes of one answer of a broker; auto is memory.max/8, at most 64MiB."},
		{Name: "max.partition.fetch.bytes", Default: "1MiB", kind: size{},
			Doc: "Most bytes of one partition in it; at most fetch.max.bytes."},
	}
}

// protection is how brokers are reached, in the words of Kafka's own clients.
func protection() []Setting {
	return []Setting{
		{Name: "security.protocol", Default: security.Plaintext, kind: choice{security.Plaintext,
			security.SSL, security.SASLPlaintext, security.SASLSSL},
			Doc: "To brokers: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."},
		{Name: "ssl.ca.location", kind: text{},
			Doc: "PEM file of the authorities that sign brokers; default the machine's."},
		{Name: "ssl.certificate.location", kind: text{},
			Doc: "PEM file of the client certificate; read again when it is needed."},
		{Name: "ssl.key.location", kind: text{},
			Doc: "PEM file of the client certificate's private key."},
		{Name: "ssl.server.name", kind: text{},
			Doc: "Name that a broker's certificate must have; default the host dialled."},
		{Name: "sasl.mechanism", kind: choice{"", security.Plain, security.Scram256,
			security.Scram512, security.OAuthBearer, security.MSKIAM},
			Doc: "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM."},
		{Name: "sasl.username", kind: text{}, Doc: "User for PLAIN and SCRAM."},
		{Name: "sasl.password", kind: text{secret: true}, Secret: true,
			Doc: "Password for PLAIN and SCRAM."},
		{Name: "sasl.secret.location", kind: text{},
			Doc: "File that holds the password; read at each connection."},
		{Name: "sasl.oauthbearer.token.location", kind: text{},
			Doc: "File that holds the token for OAUTHBEARER; read at each connection."},
		{Name: "sasl.oauthbearer.token.endpoint.url", kind: address{},
			Doc: "Endpoint that gives tokens for client credentials."},
		{Name: "sasl.oauthbearer.client.id", kind: text{}, Doc: "Client id for that endpoint."},
		{Name: "sasl.oauthbearer.client.secret", kind: text{secret: true}, Secret: true,
			Doc: "Client secret for that endpoint."},
		{Name: "sasl.oauthbearer.scope", kind: text{},
			Doc: "Scopes to ask that endpoint for, separated by spaces."},
	}
}

func engine() []Setting {
	return []Setting{
		{Name: "state.dir", kind: text{},
			Doc: "Folder on a local disk for the stores; required."},
		{Name: "http.listen", Default: "127.0.0.1:8080", kind: listen{},
			Doc: "Address of the HTTP API, /ready and /metrics; port 0 picks one; off for none."},
		{Name: "http.advertised", kind: hostPort{},
			Doc: "host:port at which other instances reach this one's HTTP; default http.listen."},
		{Name: "http.rate.limit", Default: "20000", kind: number{min: 0, max: 1e9},
			Doc: "Requests of the API per second above which it answers 429; 0 for no limit."},
		{Name: "http.events.clients", Default: "64", kind: number{min: 1, max: 10000},
			Doc: "How many clients may have events sent by /v1/events at a time."},
		{Name: "api.token", kind: text{secret: true}, Secret: true,
			Doc: "Bearer token for all of HTTP but /ping and /ready; the same for all instances."},
		{Name: "api.readonly.token", kind: text{secret: true}, Secret: true,
			Doc: "A second bearer token, which is for GET and HEAD only."},
		{Name: "api.tls.cert", kind: text{},
			Doc: "PEM file with the certificate of HTTP, its own first; without, no encryption."},
		{Name: "api.tls.key", kind: text{},
			Doc: "PEM file with its private key. Files of api.tls are reread when they change."},
		{Name: "api.tls.ca", kind: text{},
			Doc: "PEM file of who signs instances' certificates; default the system's."},
		{Name: "api.tls.client.ca", kind: text{},
			Doc: "PEM file of who signs clients' certificates, which all but probes then need."},
		{Name: "log.format", Default: "text", kind: choice{"text", "json"},
			Doc: "Log lines on standard error as text or json."},
		{Name: "log.level", Default: "info", kind: choice{"debug", "info", "warn", "error"},
			Doc: "Least severe log line that is written: debug, info, warn or error."},
		{Name: "otel.endpoint", kind: address{},
			Doc: "OpenTelemetry collector (OTLP over HTTP) for traces; without, OTEL_… or none."},
		{Name: "otel.sample.ratio", Default: "0.001", kind: decimal{0, 1},
			Doc: "Share of the records without a traceparent header that are traced."},
		{Name: "commit.interval", Default: "100ms", kind: duration{positive: true},
			Doc: "How long an epoch may grow under load before it is committed."},
		{Name: "commit.linger", Default: "auto", kind: duration{auto: true},
			Doc: "How long an epoch waits for company; auto is 0 for fraud, 100ms for others."},
		{Name: "session.timeout", Default: "10s", kind: duration{positive: true},
			Doc: "After this silence the group gives the instance's tasks away."},
		{Name: "transaction.timeout", Default: "15s", kind: duration{positive: true},
			Doc: "After this time the broker aborts an open transaction."},
		{Name: "startup.timeout", Default: "10s", kind: duration{},
			Doc: "How long an unreachable broker or registry is retried at start."},
		{Name: "max.out.of.orderness", Default: "2s", kind: duration{},
			Doc: "How far behind the highest event time a record may come and be in time."},
		{Name: "max.future.skew", Default: "1h", kind: duration{},
			Doc: "How far event time may run ahead of the Kafka timestamp before dead-lettering."},
		{Name: "deadletter.breaker.ratio", Default: "0.5", kind: decimal{0, 1},
			Doc: "Share of dead letters above which a task stops; 1: never, 0: at the first."},
		{Name: "deadletter.breaker.records", Default: "100", kind: number{min: 1, max: 10_000},
			Doc: "How many latest records of an input partition that is a share of."},
		{Name: "idle.timeout", Default: "30s", kind: duration{positive: true, off: true},
			Doc: "After this silence event time moves on with the clock; off: never."},
		{Name: "memory.max", Default: "auto", kind: size{auto: true},
			Doc: "Budget of caches, overlays and fetches; auto is half of memory, at most 2GiB."},
		{Name: "statestore.uncommitted.max.bytes", Default: "auto", kind: size{auto: true},
			Doc: "Uncommitted state that seals an epoch early; auto is memory.max/8, max 24MiB."},
		{Name: "num.standby.replicas", Default: "0", kind: number{min: 0, max: 100},
			Doc: "How many other instances keep a copy of each task's state up to date."},
		{Name: "max.warmup.replicas", Default: "2", kind: number{min: 1, max: 1000},
			Doc: "Tasks at a time that are copied to where they are to move, before they do."},
		{Name: "acceptable.recovery.lag", Default: "10000", kind: number{min: 0, max: 1<<63 - 1},
			Doc: "Changelog records a copy may lack and still take its task over at once."},
		{Name: "provenance.header", Default: "true", kind: truth{},
			Doc: "Name each output's input record in the header pawl.src."},
		{Name: "hot.keys", Default: "true", kind: truth{},
			Doc: "Name the keys that take the most of a task's records where tasks are shown."},
	}
}

func checkpoints() []Setting {
	return []Setting{
		{Name: "checkpoint.url", kind: storage{},
			Doc: "Storage of checkpoints: file:///FOLDER, s3://, gs://, azblob://; none without."},
		{Name: "checkpoint.encryption.key", kind: keyURLs{}, Secret: true,
			Doc: "Key that checkpoints are encrypted with: base64key://, awskms://, gcpkms://, " +
				"azurekeyvault://; more behind it only decrypt."},
		{Name: "checkpoint.encryption.location", kind: text{},
			Doc: "File that holds that instead; read at the start."},
		{Name: "checkpoint.interval", Default: "5m", kind: duration{positive: true},
			Doc: "Time between two checkpoints of a task."},
		{Name: "checkpoint.on.stop", Default: "false", kind: truth{},
			Doc: "Take one more when an instance stops, which then takes up to 30s longer."},
		{Name: "checkpoint.keep.last", Default: "3", kind: number{min: 1, max: 1<<31 - 1},
			Doc: "How many of a task's checkpoints are kept, not counting broken ones."},
		{Name: "checkpoint.keep.for", Default: "0s", kind: duration{},
			Doc: "Younger checkpoints are kept as well."},
		{Name: "checkpoint.grace", Default: "6h", kind: duration{positive: true},
			Doc: "How long what is given up stays, 4 times the slowest upload; the same for all."},
		{Name: "checkpoint.parallelism", Default: "4", kind: number{min: 1, max: 256},
			Doc: "Files of a checkpoint that are transferred at once."},
		{Name: "checkpoint.bandwidth", Default: "off", kind: size{off: true},
			Doc: "Bytes per second of a transfer, such as 20MiB; off for no limit."},
		{Name: "checkpoint.read.max.bytes", Default: "4GiB", kind: size{},
			Doc: "Disk in state.dir for the checkpoints that ?as-of= over HTTP is answered from."},
	}
}

func fraudSettings() []Setting {
	return []Setting{
		{Name: "fraud.span", Default: "5m", kind: duration{positive: true},
			Doc: "Velocity window: transactions in (t - span, t] count."},
		{Name: "fraud.grace", Default: "10s", kind: duration{},
			Doc: "How far below the watermark a transaction still gets a decision."},
		{Name: "fraud.max.count", Default: "5", kind: number{min: 1, max: 1<<31 - 1},
			Doc: "More transactions than this within the span are flagged."},
		{Name: "fraud.max.total.cents", Default: "1000000", kind: number{min: 1, max: 1<<63 - 1},
			Doc: "A larger sum within the span is flagged."},
		{Name: "fraud.amount.max.cents", Default: "100000000000",
			kind: number{min: 1, max: 1<<63 - 1},
			Doc:  "A larger single amount is dead-lettered as InvalidAmount."},
		{Name: "fraud.decisions", Default: "true", kind: truth{},
			Doc: "Write a decision for every transaction, not alerts only."},
	}
}

func activitySettings() []Setting {
	return []Setting{
		{Name: "activity.grace", Default: "10s", kind: duration{},
			Doc: "How far the watermark passes a window's end before it closes."},
		{Name: "activity.dedupe.horizon", Default: "10m", kind: duration{positive: true},
			Doc: "How long an event_id is remembered, in event time."},
		{Name: "activity.batch.size", Default: "100", kind: number{min: 1, max: 1<<31 - 1},
			Doc: "How many events of a user make a batch."},
	}
}

func iotSettings() []Setting {
	return []Setting{
		{Name: "iot.span", Default: "5m", kind: duration{positive: true},
			Doc: "Statistics cover a sensor's readings in (t - span, t]."},
		{Name: "iot.grace", Default: "10s", kind: duration{},
			Doc: "How far below the watermark a reading still counts."},
		{Name: "iot.emit.interval", Default: "30s", kind: duration{},
			Doc: "Least event time between two statistics of a sensor."},
		{Name: "iot.alert.repeat", Default: "5m", kind: duration{},
			Doc: "How long the same alert of a sensor is not repeated, in event time."},
		{Name: "iot.trend.threshold", Default: "0.02", kind: decimal{0, 1e300},
			Doc: "Share by which the temperature must move to be more than stable."},
		{Name: "iot.temperature.min", Default: "0", kind: decimal{-273.15, 1000},
			Doc: "Lower temperatures raise an alert, in degrees Celsius."},
		{Name: "iot.temperature.max", Default: "40", kind: decimal{-273.15, 1000},
			Doc: "Higher temperatures raise an alert, in degrees Celsius."},
		{Name: "iot.humidity.max", Default: "90", kind: decimal{0, 100},
			Doc: "Higher humidity raises an alert, in per cent."},
		{Name: "iot.devices.url", kind: address{},
			Doc: "Service that knows the sensors' devices; without it readings go on as they are."},
		{Name: "iot.battery.min", Default: "0.2", kind: decimal{0, 1},
			Doc: "A lower battery level raises an alert, as a share of 1."},
	}
}

func pageviewsSettings() []Setting {
	return []Setting{
		{Name: "pageviews.span", Default: "5m", kind: duration{positive: true},
			Doc: "A page's views in (t - span, t] count, at each second t."},
		{Name: "pageviews.grace", Default: "0s", kind: duration{},
			Doc: "How far below the watermark a view still counts."},
	}
}

func funnelSettings() []Setting {
	return []Setting{
		{Name: "funnel.gap", Default: "5m", kind: duration{positive: true},
			Doc: "Longest pause between two events of a session."},
		{Name: "funnel.grace", Default: "10s", kind: duration{},
			Doc: "How far below the watermark an event or a click still counts."},
		{Name: "funnel.within", Default: "30m", kind: duration{},
			Doc: "How long before a purchase a click may have led to it."},
	}
}
