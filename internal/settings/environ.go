package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const envPrefix = "PAWL_"

// envName is the environment's spelling of a setting.
func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
}

// notSettings are variables of the prefix that other parts of the project read.
func notSettings() []string {
	return []string{"PAWL_KILL_AT", "PAWL_DETOUR", "PAWL_DISK_FAULT", "PAWL_MUTANT",
		"PAWL_KAFKA", "PAWL_REGISTRY", "PAWL_SERVERS_DIR", "PAWL_REQUIRE_SERVERS", "PAWL_CONFIG",
		"PAWL_CHROMIUM", "PAWL_REQUIRE_CHROMIUM", "PAWL_SCREENSHOTS"}
}

// serviceLink matches what Kubernetes puts into every container for a Service whose name starts
// with "pawl": nobody wrote these, so they may not stop a start.
func serviceLink() *regexp.Regexp {
	return regexp.MustCompile(`_SERVICE_(HOST|PORT)(_|$)|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_|$)|$)`)
}

// environMap splits NAME=value pairs.
func environMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			m[name] = value
		}
	}
	return m
}

// readEnviron lists the settings given in the environment, in the order of their names.
func readEnviron(environ map[string]string, table []Setting) ([]entry, Faults) {
	names := map[string]string{}
	var known []string
	for _, s := range table {
		names[envName(s.Name)] = s.Name
		known = append(known, envName(s.Name))
		if _, ok := s.kind.(duration); ok {
			names[envName(s.Name+millis)] = s.Name + millis
		}
	}
	var entries []entry
	var faults Faults
	links := serviceLink()
	for _, name := range sortedKeys(environ) {
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(notSettings(), name) {
			continue
		}
		value := environ[name]
		key, ok := names[name]
		switch {
		case ok:
			entries = append(entries, entry{key: key, value: value, source: "environment " + name})
		case links.MatchString(name):
		default:
			faults = append(faults, &Fault{Key: name, Value: mask(Setting{Name: name}, value),
				Source: "environment", What: fmt.Sprintf(
					"no such setting; the nearest is %s", Nearest(name, known))})
		}
	}
	return entries, faults
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
