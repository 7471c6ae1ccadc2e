package browser

import (
	"cmp"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/settings"
	"pawl/internal/verify"
	"pawl/pipelines/pageviews"
	"pawl/schemas"
	schema "pawl/schemas/pageviews"
)

const (
	holdSeconds = 60               // how long the load rests after a verification
	verifyLimit = 90 * time.Second // for load to drain and everything to be compared
)

// viewed is a line of the top ten.
type viewed struct {
	Page  string
	Views int64
}

// TestTopTen: at a quiet moment the page shows what the oracle computes from the input topic.
func TestTopTen(t *testing.T) {
	tab := watched(t, look{})
	tab.show(place{"pages", "pageviews"})
	request(t, http.MethodPost, "/demo/verify",
		map[string]any{"pipeline": "pageviews", "hold_seconds": holdSeconds}, nil)
	statusUntil(t, "pageviews", verifyLimit, "the match and the rest after it",
		func(s demoStatus) bool {
			if s.Verdict == "mismatch" {
				t.Fatal("the demo itself says mismatch")
			}
			return s.Verdict == "match" && s.Load == "paused"
		})
	// A partition that idles moves the window once more, so what was shown before and after the
	// oracle looked has to be the same.
	for end := time.Now().Add(holdSeconds * time.Second); ; {
		before := topRows(tab)
		want := oracleTop(t, 10)
		after := topRows(tab)
		if slices.Equal(before, after) && slices.Equal(after, want) {
			t.Logf("%d pages, the first is %+v", len(want), want[0])
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the page shows\n%v\nand then\n%v\nthe oracle has\n%v", before, after, want)
		}
		if slices.Equal(before, after) {
			t.Logf("the page shows %v, the oracle has %v", after, want)
		}
		// The page asks again in its own time.
		evaluate[bool](tab, "new Promise((done) => setTimeout(() => done(true), 500))")
	}
	if s := statusOf(t, "pageviews"); s.Load != "paused" {
		t.Errorf("the load is %s already, so the moment was not quiet", s.Load)
	}
}

// topRows are the lines that the page shows, as its text has them.
func topRows(t *tab) []viewed {
	t.Helper()
	return evaluate[[]viewed](t, `[...document.querySelectorAll("[data-page=pages] tr[data-top]")]
		.filter((r) => r.checkVisibility() && r.innerText.includes(r.dataset.pageName) &&
			r.innerText.replace(/[^0-9]/g, "").includes(r.dataset.views))
		.map((r) => ({ Page: r.dataset.pageName, Views: Number(r.dataset.views) }))`)
}

// oracleTop reads the topics of the pipeline and gives the n most viewed pages as its oracle
// counts them. What the instances wrote has to be what it expects, too.
func oracleTop(t *testing.T, n int) []viewed {
	t.Helper()
	s, err := settings.Load(settings.Sources{
		File: filepath.Join(shared.dir, "demo", "pageviews.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	application := s.Text("application.id")
	source, err := verify.NewKafka(application, kgo.SeedBrokers(s.List("bootstrap.servers")...))
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	var tasks []verify.Model
	spec := pageviews.Spec(s.PageViews())
	model := spec.NewModel
	spec.NewModel = func(r *schemas.Resolver) verify.Model {
		tasks = append(tasks, model(r))
		return tasks[len(tasks)-1]
	}
	report, err := verify.Check(t.Context(), verify.Options{
		Spec: spec.WithPrefix(s.Text("topic.prefix")), ApplicationID: application, Source: source,
		Registry: schemas.NewClient(s.Registry())})
	if err != nil {
		t.Fatal(err)
	}
	if report.Oracle != "match" {
		t.Fatalf("the oracle says %s: %v", report.Oracle, report.Examples)
	}
	return mostViewed(tasks, n)
}

// mostViewed merges the tasks' totals: the most viewed page first, equal ones by name.
func mostViewed(tasks []verify.Model, n int) []viewed {
	views := make(map[string]int64)
	for _, task := range tasks {
		for key, value := range task.State() {
			if total, ok := value.(schema.PageTotal); ok {
				views[strings.TrimPrefix(key, pageviews.PageCounts+"/")] += total.Views
			}
		}
	}
	var list []viewed
	for page, n := range views {
		list = append(list, viewed{page, n})
	}
	slices.SortFunc(list, func(a, b viewed) int {
		return cmp.Or(cmp.Compare(b.Views, a.Views), cmp.Compare(a.Page, b.Page))
	})
	return list[:min(n, len(list))]
}
