package query

import (
	"context"
	"net/http"
)

// Steering holds an instance up, lets it go on, or has it stop at its inputs' ends;
// *processor.Instance is one.
type Steering interface {
	InstanceID() string
	Pause() error
	Resume() error
	Drain(ctx context.Context) error
}

// Words that an instance is steered with.
const (
	steerPause  = "pause"
	steerResume = "resume"
	steerDrain  = "drain"
)

// steer does a word's bidding, if whoever asks may. It concerns this instance alone.
func (s *server) steer(word string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := s.mayAct(r)
		if p == nil && r.URL.RawQuery != "" {
			p = refuse(http.StatusBadRequest, "%s takes no parameters", r.URL.Path)
		}
		var in Steering
		if p == nil && s.options.Steering != nil {
			in = s.options.Steering()
		}
		if p == nil && (in == nil || s.options.State() == nil) {
			p = starting()
		}
		if p == nil {
			p = steered(r.Context(), in, word)
		}
		if p != nil {
			p.write(w, r)
			return
		}
		f := s.here()
		status := s.options.State().Status()
		f["instance"] = in.InstanceID()
		f["paused"], f["draining"] = status.Paused, status.Draining
		answer(w, r, "", f)
	}
}

func steered(ctx context.Context, in Steering, word string) *Problem {
	switch word {
	case steerPause:
		if err := in.Pause(); err != nil {
			return refuse(http.StatusConflict, "%v", err)
		}
	case steerResume:
		if err := in.Resume(); err != nil {
			return refuse(http.StatusConflict, "%v", err)
		}
	case steerDrain:
		if err := in.Drain(ctx); err != nil {
			p := refuse(http.StatusServiceUnavailable, "%v", err)
			p.RetryIn = 1
			return p
		}
	}
	return nil
}
