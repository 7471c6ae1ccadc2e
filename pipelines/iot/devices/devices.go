package devices

import (
	"fmt"
	"hash/fnv"
	"unicode"
	"unicode/utf8"

	schema "pawl/schemas/iot"
)

// idMax is the longest sensor id, in bytes.
const idMax = 200

var (
	models = [...]string{"TH-100", "TH-200", "Meteo S", "Meteo XL", "Aria 3"}
	sites  = [...]string{"Bergen", "Coimbra", "Graz", "Leeds", "Malmö", "Porto", "Tartu", "Utrecht"}
)

// Of returns the device behind a sensor; false when there is none.
func Of(sensor string) (schema.Device, bool) {
	if !valid(sensor) {
		return schema.Device{}, false
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(sensor)) // never fails
	sum := h.Sum64()
	sum ^= sum >> 32 // the low bits of similar ids are similar
	draw := func(n uint64) uint64 {
		k := sum % n
		sum /= n
		return k
	}
	if draw(64) == 0 {
		return schema.Device{}, false
	}
	return schema.Device{
		Model:    models[draw(uint64(len(models)))],
		Firmware: fmt.Sprintf("%d.%d.%d", 1+draw(3), draw(10), draw(10)),
		Site:     sites[draw(uint64(len(sites)))],
	}, true
}

// valid says whether a sensor can have that id. The dots would change the path of a request.
func valid(sensor string) bool {
	if sensor == "" || sensor == "." || sensor == ".." || len(sensor) > idMax ||
		!utf8.ValidString(sensor) {
		return false
	}
	for _, r := range sensor {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}
