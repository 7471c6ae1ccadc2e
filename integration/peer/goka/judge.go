package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/lovoo/goka"
)

// entry is the size of a transaction in a user's state: its time in ms and its cents. They stand in
// the order of time.
const entry = 16

// judge decides.
type judge struct {
	output                goka.Stream
	schema                uint32
	span, grace, disorder int64
	maxCount, maxTotal    int64
	watermarks            sync.Map // by partition: *int64, of its goroutine alone
}

// watermark is where a partition's stands.
func (j *judge) watermark(partition int32) *int64 {
	if w, ok := j.watermarks.Load(partition); ok {
		return w.(*int64)
	}
	none := int64(math.MinInt64)
	w, _ := j.watermarks.LoadOrStore(partition, &none)
	return w.(*int64)
}

// transaction is goka's callback.
func (j *judge) transaction(ctx goka.Context, msg any) {
	value := msg.([]byte)
	if len(value) < 5 || value[0] != 0 {
		ctx.Fail(fmt.Errorf("record at %d is not in the registry's format", ctx.Offset()))
	}
	rest := skipString(skipString(value[5:]))
	names := value[5 : len(value)-len(rest)] // id and user: a decision begins with them as well
	cents, n := binary.Varint(rest)
	at, _ := binary.Varint(rest[n:])
	watermark := j.watermark(ctx.Partition())
	if *watermark != math.MinInt64 && at < *watermark-j.grace {
		return // too late
	}
	*watermark = max(*watermark, at-j.disorder)
	old, _ := ctx.Value().([]byte)
	window := add(old, *watermark-j.grace-j.span, at, cents)
	ctx.SetValue(window)
	count, total := j.sum(window, at)
	ctx.Emit(j.output, ctx.Key(), j.decision(names, count, total))
}

// add is what is left of a window above the horizon, with a transaction in its place.
func add(old []byte, horizon, at, cents int64) []byte {
	for len(old) > 0 && timeOf(old) <= horizon {
		old = old[entry:]
	}
	place := len(old)
	for place > 0 && timeOf(old[place-entry:]) > at {
		place -= entry
	}
	window := make([]byte, 0, len(old)+entry)
	window = append(window, old[:place]...)
	window = binary.BigEndian.AppendUint64(window, uint64(at))
	window = binary.BigEndian.AppendUint64(window, uint64(cents))
	return append(window, old[place:]...)
}

func timeOf(at []byte) int64 { return int64(binary.BigEndian.Uint64(at)) }

// sum counts and adds up what is in (at − span, at].
func (j *judge) sum(window []byte, at int64) (count, total int64) {
	for ; len(window) > 0; window = window[entry:] {
		t := timeOf(window)
		if t > at {
			break
		}
		if t > at-j.span {
			count++
			total += timeOf(window[8:])
		}
	}
	return count, total
}

func (j *judge) decision(names []byte, count, total int64) []byte {
	many, much := count > j.maxCount, total > j.maxTotal
	reason := int64(0)
	switch {
	case many && much:
		reason = 3
	case many:
		reason = 1
	case much:
		reason = 2
	}
	out := make([]byte, 0, 5+len(names)+1+5+10+1)
	out = append(out, 0)
	out = binary.BigEndian.AppendUint32(out, j.schema)
	out = append(out, names...)
	if reason == 0 {
		out = append(out, 0)
	} else {
		out = append(out, 1)
	}
	out = binary.AppendVarint(out, min(count, math.MaxInt32))
	out = binary.AppendVarint(out, total)
	return binary.AppendVarint(out, reason)
}

// skipString is what follows a string in Avro.
func skipString(b []byte) []byte {
	length, n := binary.Varint(b)
	return b[n+int(length):]
}
