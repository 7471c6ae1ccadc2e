package schemas_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pawl/schemas"
	"pawl/schemas/fraud"
)

// stubRegistry answers Schema with a function and counts.
type stubRegistry struct {
	schemas.Registry
	schema func(context.Context, int32) (string, error)
	asked  atomic.Int32
}

func (s *stubRegistry) Schema(ctx context.Context, id int32) (string, error) {
	s.asked.Add(1)
	return s.schema(ctx, id)
}

func TestUnknownIDThenFetch(t *testing.T) {
	typ := fraud.LimitsType()
	reg := &stubRegistry{schema: func(context.Context, int32) (string, error) {
		return typ.String(), nil
	}}
	r := schemas.NewResolver(reg)
	dec := schemas.NewDecoder(typ, r)
	want := fraud.Limits{UserID: "u", MaxCount: 1, MaxTotalCents: 2}
	data, _ := schemas.NewEncoder(typ, 5).Append(nil, &want)
	var got fraud.Limits
	var unknown *schemas.UnknownIDError
	if err := dec.Decode(data, &got); !errors.As(err, &unknown) || unknown.ID != 5 {
		t.Fatalf("before the fetch: %v", err)
	}
	if err := r.Fetch(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if err := dec.Decode(data, &got); err != nil || got != want {
		t.Errorf("after the fetch: %+v, %v", got, err)
	}
	if err := r.Fetch(t.Context(), 5); err != nil || reg.asked.Load() != 1 {
		t.Errorf("a known id was asked for: %v, %d questions", err, reg.asked.Load())
	}
	if text, ok := r.Text(5); !ok || text != typ.String() {
		t.Errorf("text %s, %v", text, ok)
	}
	if schema, ok := r.Cached(5); !ok || schema == nil {
		t.Error("the schema is not cached")
	}
}

func TestFetchIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &stubRegistry{schema: func(context.Context, int32) (string, error) {
			time.Sleep(time.Second)
			return "", errors.New("down")
		}}
		r := schemas.NewResolver(reg)
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				err := r.Fetch(t.Context(), 1)
				if err == nil || errors.Is(err, schemas.ErrNotFound) {
					t.Errorf("fetch from a registry that is down: %v", err)
				}
			})
		}
		group.Wait()
		if reg.asked.Load() != 1 {
			t.Errorf("%d questions for ten who waited together", reg.asked.Load())
		}
		if err := r.Fetch(t.Context(), 1); err == nil || reg.asked.Load() != 2 {
			t.Errorf("an outage was remembered: %v", err)
		}
	})
}

func TestFetchOutlivesTheOneWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &stubRegistry{schema: func(ctx context.Context, _ int32) (string, error) {
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(time.Second):
				return `"string"`, nil
			}
		}}
		r := schemas.NewResolver(reg)
		hasty, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		first := make(chan error)
		go func() { first <- r.Fetch(hasty, 1) }()
		synctest.Wait()
		second := make(chan error)
		go func() { second <- r.Fetch(t.Context(), 1) }()
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the hasty one: %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("the patient one shares the hasty one's fate: %v", err)
		}
	})
}

func TestWaitingForAFetchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		reg := &stubRegistry{schema: func(context.Context, int32) (string, error) {
			<-release
			return `"string"`, nil
		}}
		r := schemas.NewResolver(reg)
		go func() { _ = r.Fetch(t.Context(), 1) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Fetch(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting: %v", err)
		}
		close(release)
	})
}

func TestNotFoundIsBelievedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &stubRegistry{schema: func(context.Context, int32) (string, error) {
			return "", schemas.ErrNotFound
		}}
		r := schemas.NewResolver(reg)
		for range 5 {
			if err := r.Fetch(t.Context(), 1); !errors.Is(err, schemas.ErrNotFound) {
				t.Errorf("fetch: %v", err)
			}
			time.Sleep(5 * time.Second)
		}
		if reg.asked.Load() != 1 {
			t.Errorf("%d questions in 25s", reg.asked.Load())
		}
		time.Sleep(6 * time.Second)
		err := r.Fetch(t.Context(), 1)
		if !errors.Is(err, schemas.ErrNotFound) || reg.asked.Load() != 2 {
			t.Errorf("after 31s: %v, %d questions", err, reg.asked.Load())
		}
		if err := r.Add(1, `"string"`); err != nil {
			t.Fatal(err)
		}
		if err := r.Fetch(t.Context(), 1); err != nil {
			t.Errorf("after it was added: %v", err)
		}
	})
}

func TestTextThatIsNoSchema(t *testing.T) {
	reg := &stubRegistry{schema: func(context.Context, int32) (string, error) {
		return `syntax = "proto3";`, nil
	}}
	r := schemas.NewResolver(reg)
	if err := r.Fetch(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	var v fraud.Limits
	var bad *schemas.DecodeError
	err := schemas.NewDecoder(fraud.LimitsType(), r).Decode([]byte{0, 0, 0, 0, 4, 0}, &v)
	if !errors.As(err, &bad) || bad.Kind != schemas.KindIncompatible || bad.ID != 4 {
		t.Errorf("decoding: %v", err)
	}
	if _, err := schemas.ToJSON([]byte{0, 0, 0, 0, 4, 0}, r); !errors.As(err, &bad) {
		t.Errorf("as JSON: %v", err)
	}
	if _, ok := r.Cached(4); ok {
		t.Error("it counts as cached")
	}
}

func TestAddRefusesAnotherMeaning(t *testing.T) {
	r := schemas.NewResolver(nil)
	if err := errors.Join(r.Add(1, `"string"`), r.Add(1, ` {"type":"string"} `)); err != nil {
		t.Error(err)
	}
	if err := r.Add(1, `"long"`); err == nil || !strings.Contains(err.Error(), "registry replaced") {
		t.Errorf("another schema under the same id: %v", err)
	}
	if err := r.Add(2, `{`); err == nil {
		t.Error("a text that is no schema was added")
	}
	if err := r.Fetch(t.Context(), 9); err == nil || errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("fetch without a registry: %v", err)
	}
}

func TestDecoderFollowsIDs(t *testing.T) {
	r := schemas.NewResolver(nil)
	typ := schemas.Avro[inner](`{"type":"record","name":"I","fields":[{"name":"X","type":"long"}]}`)
	wide := schemas.Avro[everything](everythingSchema)
	older := `{"type":"record","name":"I","fields":[
		{"name":"gone","type":"string"},{"name":"X","type":"int"}]}`
	err := errors.Join(r.Add(1, typ.String()), r.Add(2, older), r.Add(3, wide.String()))
	if err != nil {
		t.Fatal(err)
	}
	dec := schemas.NewDecoder(typ, r)
	for i, tc := range []struct {
		data []byte
		want int64
	}{
		{[]byte{0, 0, 0, 0, 1, 6}, 3}, {[]byte{0, 0, 0, 0, 2, 2, 'g', 8}, 4},
		{[]byte{0, 0, 0, 0, 3, 0}, -1}, {[]byte{0, 0, 0, 0, 9, 0}, -1},
		{[]byte{0, 0, 0, 0, 2, 2, 'g', 8}, 4}, {[]byte{0, 0, 0, 0, 1, 6}, 3},
	} {
		var v inner
		err := dec.Decode(tc.data, &v)
		if (err != nil) != (tc.want < 0) || err == nil && v.X != tc.want {
			t.Errorf("step %d: %d, %v; want %d", i, v.X, err, tc.want)
		}
	}
}
