package statestore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unsafe"
)

// Key is a tuple of strings and integers encoded so that the order of the bytes is the order of
// the tuples. Build one by appending: Key(nil).String("u1").Int(7). The encoding tags each element,
// so a key explains itself to any reader (DecodeKey):
//
//	string: 0x02, the bytes with 0x00 written as 0x00 0xFF, 0x00
//	int:    0x03, eight bytes big-endian with the sign bit flipped
type Key []byte

const (
	tagString = 0x02
	tagInt    = 0x03
)

// String appends s to the tuple.
func (k Key) String(s string) Key {
	k = append(slices.Grow(k, len(s)+2), tagString)
	if strings.IndexByte(s, 0) < 0 {
		return append(append(k, s...), 0)
	}
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			k = append(k, 0, 0xFF)
			continue
		}
		k = append(k, s[i])
	}
	return append(k, 0)
}

// Bytes appends b as a string to the tuple.
func (k Key) Bytes(b []byte) Key {
	return k.String(unsafe.String(unsafe.SliceData(b), len(b)))
}

// Int appends n to the tuple.
func (k Key) Int(n int64) Key {
	k = append(slices.Grow(k, 9), tagInt)
	return binary.BigEndian.AppendUint64(k, uint64(n)^(1<<63))
}

// End returns the least key above all keys that begin with k.
func (k Key) End() Key {
	end := append(Key(nil), k...)
	return append(end, 0xFF)
}

// DecodeKey returns the elements of a key, each a string or an int64.
func DecodeKey(k []byte) ([]any, error) {
	var parts []any
	for len(k) > 0 {
		switch tag := k[0]; tag {
		case tagString:
			s, rest, err := decodeString(k[1:])
			if err != nil {
				return nil, err
			}
			parts, k = append(parts, s), rest
		case tagInt:
			if len(k) < 9 {
				return nil, fmt.Errorf("state key %x: integer cut off", k)
			}
			parts = append(parts, int64(binary.BigEndian.Uint64(k[1:9])^(1<<63)))
			k = k[9:]
		default:
			return nil, fmt.Errorf("state key %x: unknown tag %#x; it was not written by this "+
				"version of Pawl", k, tag)
		}
	}
	return parts, nil
}

// TakeString appends the first element of the tuple, which must be a string, to dst, and returns
// the elements after it too.
func (k Key) TakeString(dst []byte) (s []byte, rest Key, err error) {
	if len(k) == 0 || k[0] != tagString {
		return dst, k, fmt.Errorf("state key %x: no string where one belongs", []byte(k))
	}
	return appendString(dst, k[1:])
}

// appendString appends the string that k begins with, behind its tag, to dst.
func appendString(dst, k []byte) (s []byte, rest Key, err error) {
	from := k
	for {
		end := bytes.IndexByte(k, 0)
		if end < 0 {
			return dst, nil, fmt.Errorf("state key %x: string not ended", from)
		}
		dst = append(dst, k[:end]...)
		if end+1 == len(k) || k[end+1] != 0xFF {
			return dst, k[end+1:], nil
		}
		dst, k = append(dst, 0), k[end+2:]
	}
}

func decodeString(k []byte) (s string, rest []byte, err error) {
	if end := bytes.IndexByte(k, 0); end >= 0 && (end+1 == len(k) || k[end+1] != 0xFF) {
		return string(k[:end]), k[end+1:], nil
	}
	b, rest, err := appendString(nil, k)
	return string(b), rest, err
}
