package metrics

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// Parts of a PromQL expression, as far as names and labels go. Whether it is one at all is for
// promtool to say.
var (
	inQuotes   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	inBrackets = regexp.MustCompile(`\[[^\]]*\]`)
	grouping   = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	selector   = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\}|\()?`)
	matcher    = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	numbers    = regexp.MustCompile(`\b[0-9][0-9a-z.]*`)
)

// fromScrape are labels that Prometheus gives to each series.
func fromScrape() []string { return []string{"job", "instance"} }

// checkExpr holds names and labels of an expression to what there is. more are names of other
// series with the labels that they have, nil for any.
func checkExpr(t *testing.T, where, expr string, all map[string]family, more map[string][]string) {
	t.Helper()
	var quoted []string
	bare := inQuotes.ReplaceAllStringFunc(expr, func(s string) string {
		quoted = append(quoted, s)
		return `"` + strings.Repeat("q", len(quoted)) + `"`
	})
	bare = inBrackets.ReplaceAllString(bare, "")
	var groups []string
	bare = grouping.ReplaceAllStringFunc(bare, func(s string) string {
		m := grouping.FindStringSubmatch(s)
		groups = append(groups, strings.FieldsFunc(m[2], func(r rune) bool {
			return r == ',' || r == ' ' || r == '\n'
		})...)
		return " "
	})
	known := fromScrape()
	words := []string{"and", "or", "unless", "offset", "bool"}
	for _, m := range selector.FindAllStringSubmatch(numbers.ReplaceAllString(bare, ""), -1) {
		name, rest := m[1], m[2]
		if rest == "(" || slices.Contains(words, name) {
			continue
		}
		labels, bounds, ok := labelsOf(name, all, more)
		if !ok {
			t.Errorf("%s: there is no metric %s", where, name)
			continue
		}
		known = append(known, labels...)
		for _, l := range matcher.FindAllStringSubmatch(rest, -1) {
			value := strings.Trim(quoted[len(l[3])-1], `"`)
			if labels != nil && !slices.Contains(append(labels, fromScrape()...), l[1]) {
				t.Errorf("%s: %s has no label %s; it has %v", where, name, l[1], labels)
			}
			if l[1] == "le" && !slices.Contains(bounds, value) {
				t.Errorf("%s: %s has no bucket le=%q; it has %v", where, name, value, bounds)
			}
		}
		if labels == nil {
			known = append(known, groups...)
		}
	}
	for _, label := range groups {
		if !slices.Contains(known, label) {
			t.Errorf("%s: nothing in it has the label %s", where, label)
		}
	}
}

// labelsOf are a series' labels; nil for one of which that is not known.
func labelsOf(name string, all map[string]family, more map[string][]string) (labels,
	bounds []string, ok bool) {
	if labels, ok = more[name]; ok {
		return labels, nil, true
	}
	if slices.Contains(promised(), name) && all[name].labels == nil {
		return nil, nil, true
	}
	if f, ok := all[name]; ok && f.kind != dto.MetricType_HISTOGRAM {
		return append([]string{}, f.labels...), nil, true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, cut := strings.CutSuffix(name, suffix)
		if f, ok := all[base]; cut && ok && f.kind == dto.MetricType_HISTOGRAM {
			labels := append([]string{}, f.labels...)
			if suffix == "_bucket" {
				labels = append(labels, "le")
			}
			return labels, f.bounds, true
		}
	}
	return nil, nil, false
}

// TestCheckExpr: the check itself finds what is wrong.
func TestCheckExpr(t *testing.T) {
	all := map[string]family{"a_total": {kind: dto.MetricType_COUNTER, labels: []string{"task"}},
		"b": {kind: dto.MetricType_HISTOGRAM, labels: []string{"x"}, bounds: []string{"0.5"}}}
	for _, expr := range []string{`sum by (task) (rate(a_total{task=~"x{1}"}[5m])) > 10e3`,
		`1 - sum(rate(b_bucket{le="0.5",job="p"}[5m] offset 1h)) / sum(rate(b_count[5m]))`,
		`max by (task, x) (a_total) unless on (x) b_sum{x!="y"}`} {
		checkExpr(t, expr, expr, all, nil)
	}
	for _, expr := range []string{`sum(c_total)`, `rate(b[5m])`, `a_total{x="1"}`,
		`sum by (x) (a_total)`, `b_bucket{le="0.6"}`, `b_sum{le="0.5"}`} {
		probe := &testing.T{}
		checkExpr(probe, expr, expr, all, nil)
		if !probe.Failed() {
			t.Errorf("nothing is found in %s", expr)
		}
	}
}
