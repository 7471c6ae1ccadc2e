package jsonform

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// String appends a JSON string.
func String(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' ||
			c == '&' {
			escaped, _ := json.Marshal(s) // a string never fails
			return append(dst, escaped...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// Float appends a number. There is none for NaN and the infinities: ok is false.
func Float(dst []byte, f float64) (out []byte, ok bool) {
	abs := math.Abs(f)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, false
	}
	if abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64), true
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 is e-9
		dst = dst[:n-1]
	}
	return dst, true
}

// A Clock appends times. It keeps the hour it wrote last, since what stands in one answer lies
// close together.
type Clock struct {
	hour int64 // since 1970; valid where text is
	text []byte
}

// layout is the part of a time that a Clock keeps.
const layout = "2006-01-02T15:"

// Millis appends a time in ms since 1970 as time.Time in UTC has it, or null where its year is not
// one from 1 to 9999.
func (c *Clock) Millis(dst []byte, ms int64) []byte {
	const perHour = int64(time.Hour / time.Millisecond)
	hour, rest := ms/perHour, ms%perHour
	if rest < 0 {
		hour, rest = hour-1, rest+perHour
	}
	if c.text == nil || c.hour != hour {
		at := time.UnixMilli(ms).UTC()
		if at.Year() < 1 || at.Year() > 9999 {
			return append(dst, "null"...)
		}
		c.hour, c.text = hour, at.AppendFormat(c.text[:0], layout)
	}
	minute, second, milli := rest/60_000, rest/1000%60, rest%1000
	dst = append(append(dst, '"'), c.text...)
	dst = append(dst, byte('0'+minute/10), byte('0'+minute%10), ':', byte('0'+second/10),
		byte('0'+second%10))
	if milli != 0 {
		dst = append(dst, '.', byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10))
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
	}
	return append(dst, 'Z', '"')
}
