package devices

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// slowMax is the longest that a look-up can be made to take.
const slowMax = time.Hour

// Service answers look-ups. It is an http.Handler; make one with NewService.
type Service struct {
	mux   *http.ServeMux
	slow  atomic.Int64 // ns
	down  atomic.Bool
	asked atomic.Int64
}

// NewService returns a Service that is up and answers at once.
func NewService() *Service {
	s := &Service{mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /devices/{sensor_id}", s.lookUp)
	s.mux.HandleFunc("POST /slow", s.setSlow)
	s.mux.HandleFunc("POST /down", s.setDown)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// SetSlow makes every later look-up take at least d.
func (s *Service) SetSlow(d time.Duration) { s.slow.Store(int64(d)) }

// SetDown makes every later answer a 503, or ends that.
func (s *Service) SetDown(down bool) { s.down.Store(down) }

// Asked is how many look-ups there were, whatever the answer.
func (s *Service) Asked() int64 { return s.asked.Load() }

func (s *Service) lookUp(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	if d := time.Duration(s.slow.Load()); d > 0 {
		wait, cancel := context.WithTimeout(r.Context(), d)
		<-wait.Done()
		cancel()
		if r.Context().Err() != nil {
			return // nobody waits for the answer
		}
	}
	sensor := r.PathValue("sensor_id")
	switch {
	case s.down.Load():
		http.Error(w, "the device service is down", http.StatusServiceUnavailable)
		return
	case !valid(sensor):
		http.Error(w, fmt.Sprintf("sensor id %.100q is none; give 1 to %d bytes of printable "+
			"UTF-8", sensor, idMax), http.StatusBadRequest)
		return
	}
	d, known := Of(sensor)
	if !known {
		http.Error(w, fmt.Sprintf("sensor %.200q has no device", sensor), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(d) // a client that is gone needs no answer
}

func (s *Service) setSlow(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.FormValue("d"))
	if err != nil || d < 0 || d > slowMax {
		http.Error(w, fmt.Sprintf("d=%.100s is no time to take; give 0s to %v",
			r.FormValue("d"), slowMax), http.StatusBadRequest)
		return
	}
	s.SetSlow(d)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Service) setDown(w http.ResponseWriter, r *http.Request) {
	on, err := strconv.ParseBool(r.FormValue("on"))
	if err != nil {
		http.Error(w, fmt.Sprintf("on=%.100s is neither; give true or false", r.FormValue("on")),
			http.StatusBadRequest)
		return
	}
	s.SetDown(on)
	w.WriteHeader(http.StatusNoContent)
}
