package metrics

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// promised are metrics that docs, rules and dashboards may name although not every build has them:
// those of checkpoints and of standbys.
func promised() []string {
	return []string{"pawl_checkpoint_age_seconds", "pawl_checkpoint_failures_total",
		"pawl_checkpoint_uploaded_bytes_total", "pawl_standby_lag"}
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDocs: docs/metrics.md tells of each metric, with its labels, what it means and what to do
// when it moves, and of no other.
func TestDocs(t *testing.T) {
	all := live(t)
	row := regexp.MustCompile("(?m)^\\| `([a-z_0-9]+)` \\|([^|]*)\\|([^|]*)\\|([^|]*)\\|$")
	told := make(map[string]bool)
	for _, m := range row.FindAllStringSubmatch(readDoc(t, "docs/metrics.md"), -1) {
		name := m[1]
		if told[name] {
			t.Errorf("%s is told of twice", name)
		}
		told[name] = true
		f, ok := all[name]
		if !ok {
			if !slices.Contains(promised(), name) {
				t.Errorf("there is no metric %s", name)
			}
			continue
		}
		var labels []string
		for label := range strings.SplitSeq(strings.Trim(m[2], " –"), ",") {
			if label = strings.Trim(label, " `"); label != "" {
				labels = append(labels, label)
			}
		}
		labels = append(labels, "pipeline")
		slices.Sort(labels)
		if !slices.Equal(labels, f.labels) {
			t.Errorf("%s has the labels %v, not %v", name, f.labels, labels)
		}
		if len(strings.TrimSpace(m[3])) < 10 || len(strings.TrimSpace(m[4])) < 10 {
			t.Errorf("%s: say what it means and what to do when it moves", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if own(name) && !told[name] {
			t.Errorf("docs/metrics.md does not tell of %s %v", name, all[name].labels)
		}
	}
}
