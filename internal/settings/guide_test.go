package settings

// A guide is what docs/configuration.md says of a setting beside what the table knows: a value that
// somebody might write, and what changes when it moves.
type guide struct{ name, example, moves string }

func guides() []guide {
	var all []guide
	for _, part := range [][]guide{connectionGuides(), trafficGuides(), registryGuides(),
		protectionGuides(), httpGuides(), engineGuides(), checkpointGuides(), fraudGuides(),
		iotGuides(), otherGuides()} {
		all = append(all, part...)
	}
	return all
}

func connectionGuides() []guide {
	return []guide{
		{"application.id", "payments-fraud",
			"Another id is another application: it reads its inputs from their beginning, with " +
				"empty state."},
		{"instance.id", "fraud-0",
			"The same id comes back to its tasks without a rebalance; of two processes with one " +
				"id the later fences the earlier."},
		{"bootstrap.servers", "kafka-1:9092,kafka-2:9092",
			"Any of the cluster's brokers will do; give several, so that one may be down at the " +
				"start."},
		{"schema.registry.url", "http://registry:8081",
			"Schema ids belong to the registry: with another one, records whose ids it does not " +
				"know are dead letters."},
		{"schema.registry.user", "pawl", "Without, requests carry no credentials."},
		{"schema.registry.password", "${REGISTRY_PASSWORD}",
			"Write it as `${…}` in the file, or give it in the environment, rather than in the " +
				"file itself."},
		{"auto.register.schemas", "false",
			"false: schemas must be registered before the start, by CI for example, and a " +
				"missing one ends it with exit code 2."},
		{"topics.create", "false", "false: what `--dry-run` lists must be created first."},
		{"topic.prefix", "staging.",
			"Moves inputs and outputs, not the application's own topics, which begin with " +
				"`application.id`."},
		{"replication.factor", "3",
			"Of topics that are created from then on; existing ones stay as they are."},
		{"compression.type", "zstd",
			"snappy costs the least time ([against " +
				"lz4](benchmarks.md#what-one-choice-is-worth)); zstd mostly makes the fewest " +
				"bytes. Consumers read all of them."},
	}
}

func trafficGuides() []guide {
	return []guide{
		{"client.rack", "eu-west-1a",
			"Set, and with `replica.selector.class` on the brokers: reads stay in the zone, " +
				"which saves traffic between zones and may show records a little later."},
		{"fetch.min.bytes", "64KiB",
			"Higher: fewer, larger answers of brokers when there is little to read, each up to " +
				"`fetch.max.wait` later."},
		{"fetch.max.wait", "20ms",
			"Lower: a task that starts waits less, idle brokers are asked more often."},
		{"fetch.max.bytes", "16MiB",
			"Lower: less memory at a time. Higher helps over long ways only."},
		{"max.partition.fetch.bytes", "4MiB",
			"Higher for large records over long ways; bounded by `fetch.max.bytes`."},
		{"deadletter.breaker.ratio", "0.1",
			"Lower: a bad deploy is stopped sooner; too low, and bad input alone stops a task."},
		{"deadletter.breaker.records", "1000",
			"Higher: a short burst of bad records stops nothing, and a bad deploy is noticed " +
				"that much later."},
	}
}

func registryGuides() []guide {
	return []guide{
		{"schema.registry.secret.location", "/run/secrets/registry",
			"A new password in it is used from the next request on."},
		{"schema.registry.bearer.token", "${REGISTRY_TOKEN}",
			"Better in a file, which may be replaced while Pawl runs: " +
				"`schema.registry.bearer.location`."},
		{"schema.registry.bearer.location", "/run/secrets/registry-token",
			"A new token in it is used from the next request on."},
		{"schema.registry.ssl.ca.location", "/etc/pawl/ca.pem",
			"Only a registry signed by one of these is trusted."},
		{"schema.registry.ssl.certificate.location", "/etc/pawl/client.pem",
			"With it a registry that asks knows who this is (mTLS)."},
		{"schema.registry.ssl.key.location", "/etc/pawl/client.key", "Goes with the certificate."},
		{"schema.registry.ssl.server.name", "registry.internal",
			"For a registry behind another address than its certificate says."},
		{"subject.name.strategy", "RecordNameStrategy",
			"Another strategy is other subjects: schemas have to be registered under them, and " +
				"records of several types may share a topic."},
	}
}

func protectionGuides() []guide {
	return []guide{
		{"security.protocol", "SASL_SSL",
			"Must be what the listener at `bootstrap.servers` speaks."},
		{"ssl.ca.location", "/etc/pawl/ca.pem", "Only brokers signed by one of these are trusted."},
		{"ssl.certificate.location", "/etc/pawl/client.pem",
			"With it, brokers that ask know who this is (mTLS); a new file is used from the next " +
				"connection on."},
		{"ssl.key.location", "/etc/pawl/client.key", "Goes with the certificate."},
		{"ssl.server.name", "kafka.internal",
			"For brokers behind another address than their certificate says."},
		{"sasl.mechanism", "SCRAM-SHA-512", "Must be one that the listener offers."},
		{"sasl.username", "pawl", "Access rights are given to this name."},
		{"sasl.password", "${KAFKA_PASSWORD}",
			"Better in a file, which may be replaced while Pawl runs: `sasl.secret.location`."},
		{"sasl.secret.location", "/run/secrets/kafka",
			"A new password in it is used from the next connection on."},
		{"sasl.oauthbearer.token.location", "/run/secrets/token",
			"A new token in it is used from the next connection on."},
		{"sasl.oauthbearer.token.endpoint.url", "https://login.example.com/token",
			"Tokens are asked for there instead of read from a file."},
		{"sasl.oauthbearer.client.id", "pawl", "Who asks there."},
		{"sasl.oauthbearer.client.secret", "${OAUTH_SECRET}",
			"What proves who asks there; keep it out of the file."},
		{"sasl.oauthbearer.scope", "kafka", "What the token may do, in the endpoint's words."},
	}
}

func httpGuides() []guide {
	return []guide{
		{"http.listen", "0.0.0.0:8080",
			"127.0.0.1 is for this machine alone. off: no API, no metrics, no probes."},
		{"http.advertised", "fraud-0.fraud:8080",
			"Wrong: other instances cannot forward reads here, and their answers are marked as " +
				"partial."},
		{"http.rate.limit", "2000",
			"Lower protects processing from readers; they get 429 and should try again."},
		{"http.events.clients", "200",
			"Each client costs a buffer and a goroutine; one more than this gets 503."},
		{"api.token", "${PAWL_TOKEN}",
			"Set: all of HTTP but `/ping` and `/ready` asks for it, `/metrics` too."},
		{"api.readonly.token", "${PAWL_READ_TOKEN}",
			"For dashboards and scrapers: it cannot take checkpoints or retry dead letters."},
		{"api.tls.cert", "/etc/pawl/http.pem",
			"Set with `api.tls.key`: HTTP is encrypted, also between instances."},
		{"api.tls.key", "/etc/pawl/http.key", "Goes with `api.tls.cert`."},
		{"api.tls.ca", "/etc/pawl/ca.pem", "Whom instances trust when they forward reads."},
		{"api.tls.client.ca", "/etc/pawl/clients.pem", "Set: clients need a certificate (mTLS)."},
		{"log.format", "json", "json for machines that collect logs."},
		{"log.level", "debug",
			"debug tells of every epoch and its tasks: hundreds of lines a second."},
		{"otel.endpoint", "http://otel:4318",
			"Without it, and without OpenTelemetry's own variables, tracing costs nothing."},
		{"otel.sample.ratio", "0.01",
			"Higher: more traces and more of their cost. Records that come with a sampled header " +
				"are traced anyway."},
	}
}

func engineGuides() []guide {
	return []guide{
		{"state.dir", "/var/lib/pawl",
			"Another folder begins empty, and is filled from a checkpoint or the changelog. " +
				"Local disk, not a network share."},
		{"commit.interval", "50ms",
			"Lower: results sooner under load, more transactions. Higher: fewer and larger ones, " +
				"and more to do again after an abort."},
		{"commit.linger", "20ms",
			"Higher: fewer transactions when there is little to do, results that much later. 0s: " +
				"each result as soon as it can be."},
		{"session.timeout", "30s",
			"Lower: a dead instance is missed sooner; too low, and a pause of the machine costs " +
				"a rebalance. The broker bounds it."},
		{"transaction.timeout", "30s",
			"How long a dead instance's open transaction can hold readers back; too low, and " +
				"slow brokers abort live ones."},
		{"startup.timeout", "1m", "Higher for starts beside the brokers' own."},
		{"max.out.of.orderness", "10s",
			"Higher: fewer late records, later windows, more state. It bears on results: a " +
				"replay with another value differs."},
		{"max.future.skew", "5m",
			"Lower: a producer with a wrong clock cannot move everybody's time so far. It bears " +
				"on results."},
		{"idle.timeout", "5s",
			"Lower: windows close sooner when input stops, and records that come after the pause " +
				"are late sooner. off: they wait for the next record."},
		{"memory.max", "4GiB",
			"Higher: more state decoded, larger epochs, fewer writes to disk. Give the container " +
				"a third more."},
		{"statestore.uncommitted.max.bytes", "8MiB",
			"Lower: smaller epochs and less memory, more transactions under load."},
		{"num.standby.replicas", "1",
			"Each copy makes a takeover as fast as a restart, and costs disk, and reading the " +
				"changelog once more."},
		{"max.warmup.replicas", "4",
			"Higher: a new instance has its share sooner, at a higher load while it copies."},
		{"acceptable.recovery.lag", "100000",
			"Higher: tasks move sooner, and pause longer when they do."},
		{"provenance.header", "false",
			"false saves some bytes for each output; `pawl audit` can then only count outputs, " +
				"not tell what led to each."},
		{"hot.keys", "false",
			"false where a key may be personal data that those who read /status, /v1/tasks and " +
				"`pawl status` must not see; the metric pawl_hot_key_share is then 0, too."},
	}
}

func checkpointGuides() []guide {
	return []guide{
		{"checkpoint.url", "s3://BUCKET?region=eu-west-1&prefix=pawl",
			"Without it a lost disk is rebuilt from the changelog alone."},
		{"checkpoint.encryption.key", "awskms://alias/pawl?region=eu-west-1",
			"Several URLs, separated by spaces or line ends: the first encrypts, the others keep " +
				"older checkpoints readable ([how](checkpoints.md#encryption))."},
		{"checkpoint.encryption.location", "/run/secrets/checkpoints",
			"For `base64key://`, which is the key itself."},
		{"checkpoint.interval", "1m",
			"Lower: less changelog to read after a lost disk, more uploads ([what one " +
				"costs](benchmarks.md#what-a-checkpoint-costs))."},
		{"checkpoint.on.stop", "true",
			"true: the next start on another disk has nothing to read, and stops take longer."},
		{"checkpoint.keep.last", "24",
			"Higher: further back for `pawl replay` and `?as-of=`, more storage."},
		{"checkpoint.keep.for", "72h",
			"Longer: as many as are younger than this, too, however many that is."},
		{"checkpoint.grace", "12h",
			"Lower frees storage sooner; below four times the slowest upload checkpoints fail. " +
				"The same for all instances."},
		{"checkpoint.parallelism", "16",
			"Higher: faster on storage with long ways, more connections."},
		{"checkpoint.bandwidth", "20MiB",
			"Lower leaves the network to Kafka; restores take that much longer too."},
		{"checkpoint.read.max.bytes", "20GiB",
			"Higher: more checkpoints are answered from at a time without a download."},
	}
}

func fraudGuides() []guide {
	return []guide{
		{"fraud.span", "10m",
			"Longer: more transactions count, more are flagged, more state. It bears on results, " +
				"as all of these do: try it with `pawl replay` first."},
		{"fraud.grace", "1m", "Longer: fewer late transactions, more state."},
		{"fraud.max.count", "10", "Higher: fewer alerts. `fraud-limits` has exceptions by user."},
		{"fraud.max.total.cents", "500000", "Higher: fewer alerts."},
		{"fraud.amount.max.cents", "1000000000",
			"Lower: typing errors upstream end as dead letters instead of alerts."},
		{"fraud.decisions", "false", "false: alerts only, and that much less to write."},
	}
}

func iotGuides() []guide {
	return []guide{
		{"iot.span", "15m", "Longer: smoother statistics, more state."},
		{"iot.grace", "1m", "Longer: fewer late readings, more state."},
		{"iot.emit.interval", "10s", "Shorter: more statistics; 0s gives one for each reading."},
		{"iot.alert.repeat", "1h", "Longer: fewer repeated alerts."},
		{"iot.trend.threshold", "0.05", "Higher: more sensors are called stable."},
		{"iot.temperature.min", "-10", "Lower: fewer alerts."},
		{"iot.temperature.max", "60", "Higher: fewer alerts."},
		{"iot.humidity.max", "95", "Higher: fewer alerts."},
		{"iot.devices.url", "http://devices:9000", "Without it readings carry no device data."},
		{"iot.battery.min", "0.1", "Lower: alerts come later."},
	}
}

func otherGuides() []guide {
	return []guide{
		{"activity.grace", "5s", "Longer: fewer late events, later results."},
		{"activity.dedupe.horizon", "1h",
			"Longer: copies of an event are known for longer, more state."},
		{"activity.batch.size", "1000", "Larger: fewer, larger batches."},
		{"pageviews.span", "1h", "Longer: the top ten moves more slowly, more state."},
		{"pageviews.grace", "5s", "Longer: fewer late views, results later by that."},
		{"funnel.gap", "30m", "Longer: fewer, longer sessions, and results that much later."},
		{"funnel.grace", "1m", "Longer: fewer late events, later results."},
		{"funnel.within", "24h",
			"Longer: more purchases have a click that led to them, more state."},
	}
}
