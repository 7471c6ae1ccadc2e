package settings

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"pawl/checkpoint"
)

// A kind checks one type of value. The error says what is wrong and how to mend it, without
// key and value.
type kind interface {
	check(value string) error
}

// text is one line; a secret may be any.
type text struct{ secret bool }

func (t text) check(value string) error {
	at := strings.IndexFunc(value, unicode.IsControl)
	if at < 0 || t.secret {
		return nil
	}
	return fmt.Errorf("has a control character at byte %d; remove it", at+1)
}

// list is comma separated; the file may also give a YAML sequence.
type list struct{}

func (list) check(string) error { return nil }

func splitList(value string) []string {
	var parts []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

type truth struct{}

func (truth) check(value string) error {
	if value != "true" && value != "false" {
		return fmt.Errorf("is not a truth value; write true or false")
	}
	return nil
}

type choice []string

func (c choice) check(value string) error {
	if !slices.Contains(c, value) {
		known := slices.DeleteFunc(slices.Clone(c), func(word string) bool { return word == "" })
		return fmt.Errorf("is unknown; use %s", strings.Join(known, ", "))
	}
	return nil
}

type number struct {
	min, max int64
	not0     bool
}

func (n number) check(value string) error {
	v, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fmt.Errorf("is not a whole number; write for example %d", max(n.min, 1))
	}
	if v < n.min || v > n.max {
		return fmt.Errorf("is out of range; give %d to %d", n.min, n.max)
	}
	if n.not0 && v == 0 {
		return fmt.Errorf("is out of range; give %d, or 1 to %d", n.min, n.max)
	}
	return nil
}

// decimal is a number with a fraction.
type decimal struct{ min, max float64 }

func (d decimal) check(value string) error {
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return fmt.Errorf("is not a number; write for example %v", d.min)
	}
	if !(v >= d.min && v <= d.max) {
		return fmt.Errorf("is out of range; give %v to %v", d.min, d.max)
	}
	return nil
}

type duration struct {
	positive bool
	off      bool // the word off is a value too
	auto     bool // and auto
}

func (d duration) check(value string) error {
	if d.off && value == "off" || d.auto && value == "auto" {
		return nil
	}
	v, err := time.ParseDuration(value)
	if err != nil {
		return fmt.Errorf("is not a duration; write a number with a unit, such as 250ms, 10s or 5m")
	}
	if v < 0 {
		return fmt.Errorf("is negative; give 0s or more")
	}
	if d.positive && v == 0 {
		return fmt.Errorf("is zero; give a time of at least 1ms")
	}
	return nil
}

// size counts bytes. With auto the engine may choose.
type size struct {
	auto bool
	off  bool // the word off is a value too
}

func (s size) check(value string) error {
	if s.auto && value == "auto" || s.off && value == "off" {
		return nil
	}
	v, err := parseSize(value)
	if err != nil {
		return err
	}
	if v == 0 {
		return fmt.Errorf("is zero; give a size such as 64MiB")
	}
	return nil
}

// parseSize reads bytes with an optional unit: powers of 1024 (KiB …) or of 1000 (KB …).
func parseSize(value string) (int64, error) {
	bad := fmt.Errorf("is not a size; write bytes or a unit, such as 67108864, 64MiB or 1GiB")
	end := strings.IndexFunc(value, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(value)
	}
	n, err := strconv.ParseInt(value[:end], 10, 64)
	if err != nil {
		return 0, bad
	}
	units := map[string]int64{
		"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
		"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	}
	unit, ok := units[strings.TrimSpace(value[end:])]
	if !ok {
		return 0, bad
	}
	if n > math.MaxInt64/unit {
		return 0, fmt.Errorf("is too large; give less than 8388608TiB")
	}
	return n * unit, nil
}

type address struct{}

func (address) check(value string) error {
	if value == "" {
		return nil // the engine says that it is missing
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("is not an http or https URL; write for example http://127.0.0.1:8081")
	}
	return nil
}

// storage is the URL of object storage.
type storage struct{}

func (storage) check(value string) error {
	if value == "" {
		return nil
	}
	return checkpoint.CheckURL(value)
}

// keyURLs are URLs of keys, separated by white space.
type keyURLs struct{}

func (keyURLs) check(value string) error { return checkpoint.CheckKeys(value) }

// hostPort is an address that others can reach.
type hostPort struct{}

func (hostPort) check(value string) error {
	if value == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(value)
	n, perr := strconv.Atoi(port)
	if err != nil || perr != nil || host == "" || n < 1 || n > 65535 {
		return fmt.Errorf("is not host:port; write for example pawl-0.internal:8080")
	}
	return nil
}

type listen struct{}

func (listen) check(value string) error {
	if value == "off" {
		return nil
	}
	_, port, err := net.SplitHostPort(value)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		return fmt.Errorf("is not host:port; write for example 127.0.0.1:8080, or off")
	}
	return nil
}
