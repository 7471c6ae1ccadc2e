package metrics

import (
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"pawl/processor"
)

// BenchmarkScrape is one scrape of an instance with 32 tasks after everything has happened.
func BenchmarkScrape(b *testing.B) {
	var tasks []processor.TaskStatus
	for i := range 32 {
		tasks = append(tasks, processor.TaskStatus{Name: "x-" + strconv.Itoa(i), State: "RUNNING",
			Watermark: time.Now(),
			Inputs:    []processor.InputStatus{{Topic: "t", Partition: int32(i)}}})
	}
	m := New("x", func() processor.Status {
		return processor.Status{State: "RUNNING", Tasks: tasks}
	})
	for _, t := range tasks {
		m.Listener().TaskState(processor.TaskStateInfo{Task: t.Name, State: t.State})
	}
	happen(m)
	h := m.Handler()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
	}
}
