package query

import (
	"context"

	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// State is the state of the tasks that run in this process.
type State interface {
	Shape() Shape
	// View calls read with what a task had committed at one epoch; see processor.Instance.View.
	View(partition int32, ranges []processor.StateRange, read func(View) error) error
	// Await waits for where the task stands; see processor.Instance.Await.
	Await(ctx context.Context, partition int32, ok func(record.Position) bool) error
	Status() processor.Status
	Graph() processor.Graph
}

// Shape is what does not change while an application runs.
type Shape struct {
	Application string
	Instance    string
	Pipeline    string
	Tasks       int32
	Tables      []processor.TableInfo
}

// View is one task's committed state at one epoch.
type View interface {
	Standing() record.Position
	Get(table string, key statestore.Key) (value []byte, ok bool, err error)
	Scan(i int, fn func(key statestore.Key, value []byte) bool) (next statestore.Key, err error)
	JSON(value []byte) (any, error)
	// AppendJSON appends a value as encoding/json prints it.
	AppendJSON(dst, value []byte) ([]byte, error)
	// Decode reads a value into what a pipeline's tables hold.
	Decode(value []byte, into target) error
	// Rates and Inputs are of now, not of the epoch; see processor.StateView.
	Rates() map[string]float64
	Inputs() []processor.InputStatus
}

// Of is the state of an instance.
func Of(in *processor.Instance) State { return instance{in} }

type instance struct{ *processor.Instance }

// Shape implements State.
func (i instance) Shape() Shape {
	return Shape{Application: i.ApplicationID(), Instance: i.InstanceID(),
		Pipeline: i.Pipeline().Name(), Tasks: i.TaskCount(), Tables: i.Tables()}
}

// View implements State.
func (i instance) View(partition int32, ranges []processor.StateRange,
	read func(View) error) error {
	return i.Instance.View(partition, ranges, func(v *processor.StateView) error {
		return read(view{v})
	})
}

type view struct{ *processor.StateView }

// Standing implements View.
func (v view) Standing() record.Position { return v.Position }

// Decode implements View.
func (v view) Decode(value []byte, into target) error {
	return into.decode(value, v.Resolver())
}

// target is where a value of a known type goes.
type target interface {
	decode(value []byte, r *schemas.Resolver) error
	pointer() any
}

// typed is a target of type V.
type typed[V any] struct {
	decoders *schemas.Decoders[V]
	into     *V
}

func (t typed[V]) decode(value []byte, r *schemas.Resolver) error {
	return t.decoders.Decode(value, r, t.into)
}

func (t typed[V]) pointer() any { return t.into }
