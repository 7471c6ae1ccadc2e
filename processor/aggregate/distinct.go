package aggregate

import (
	"encoding/binary"
	"slices"
	"sort"

	"github.com/cespare/xxhash/v2"

	"pawl/schemas"
)

// Distinct tells how many different strings there were: exactly up to 384, and beyond that within
// 1.6 % of the truth (one standard error). What is stored depends on which strings there were, not
// on their order, their number or how they were merged.
type Distinct struct {
	// Hashes are the strings' hashes, each of 8 bytes big endian, ascending, while they are few.
	Hashes []byte `avro:"hashes"`
	// Registers are those of a HyperLogLog once they are many, and empty before.
	Registers []byte `avro:"registers"`
}

// hashesMax is for how many strings the hashes take no more than the registers do.
const hashesMax = registersSize / 8

const distinctSchema = `{"type": "record", "name": "Distinct", "namespace": "pawl.aggregate",
	"fields": [{"name": "hashes", "type": "bytes"}, {"name": "registers", "type": "bytes"}]}`

// DistinctType returns how a Distinct is written and read.
func DistinctType() schemas.Type[Distinct] { return schemas.Avro[Distinct](distinctSchema) }

// DistinctOf counts the different strings that of takes from each value.
func DistinctOf[V any](of func(V) string) func(Distinct, V) Distinct {
	return func(d Distinct, v V) Distinct { return d.Add(of(v)) }
}

// Add is d with one string more.
func (d Distinct) Add(s string) Distinct { return d.add(xxhash.Sum64String(s)) }

func (d Distinct) add(hash uint64) Distinct {
	if len(d.Registers) > 0 {
		registers(d.Registers).add(hash)
		return d
	}
	at := sort.Search(d.hashes(), func(i int) bool { return d.hash(i) >= hash })
	if at < d.hashes() && d.hash(at) == hash {
		return d
	}
	d.Hashes = slices.Insert(d.Hashes, 8*at, binary.BigEndian.AppendUint64(nil, hash)...)
	if d.hashes() > hashesMax {
		return d.dense()
	}
	return d
}

// Merge is the Distinct of both.
func (d Distinct) Merge(later Distinct) Distinct {
	if len(d.Registers) == 0 && len(later.Registers) > 0 {
		d, later = later, d
	}
	for i := range later.hashes() {
		d = d.add(later.hash(i))
	}
	if len(later.Registers) > 0 {
		registers(d.Registers).merge(later.Registers)
	}
	return d
}

// Estimate is how many different strings there were.
func (d Distinct) Estimate() int64 {
	if len(d.Registers) > 0 {
		return registers(d.Registers).estimate()
	}
	return int64(d.hashes())
}

// dense is d with registers instead of hashes.
func (d Distinct) dense() Distinct {
	r := make(registers, registersSize)
	for i := range d.hashes() {
		r.add(d.hash(i))
	}
	return Distinct{Registers: r}
}

func (d Distinct) hashes() int { return len(d.Hashes) / 8 }

func (d Distinct) hash(i int) uint64 { return binary.BigEndian.Uint64(d.Hashes[8*i:]) }
