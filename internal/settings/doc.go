// Package settings turns flags, environment and a YAML file into one checked set of values: a
// value is used only after every value was found good, and each one knows where it came from.
//
// Names are Kafka's dotted words. In the file, dotted keys and nested maps mean the same, and
// ${VAR:default} takes a value from the environment; in the environment the name is PAWL_ and upper
// case with underscores; on the command line it is --set name=value. A flag wins over the
// environment, that over the file, and that over the default. Durations are Go's (250ms, 5m),
// sizes are bytes with an optional unit (64MiB). Kafka's spelling of durations, name.ms with a
// number of milliseconds, is accepted and answered with a notice.
//
// Every fault is one line, all are reported together:
//
//	key=value (from SOURCE): what is wrong; mend
//
// where SOURCE is "flag --set", "environment PAWL_X", "file PATH:LINE" or "default". Secrets are
// masked wherever a value is shown.
//
// Files, in the order of a value's way: table.go lists the settings, kind.go parses their values,
// file.go reads the YAML with line numbers, expand.go fills in ${VAR}, environ.go reads the
// environment, flag.go reads the flags, load.go merges them all, nearest.go finds what an unknown
// key was meant to be, fault.go words the faults, effective.go shows the result and convert.go
// hands it to the engine and the pipelines.
package settings
