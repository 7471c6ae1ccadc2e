package statestore

import (
	"bytes"
	"encoding/binary"
	"fmt"
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
	k = append(k, tagString)
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
	k = append(k, tagInt)
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

func decodeString(k []byte) (s string, rest []byte, err error) {
	if end := bytes.IndexByte(k, 0); end >= 0 && (end+1 == len(k) || k[end+1] != 0xFF) {
		return string(k[:end]), k[end+1:], nil
	}
	var b []byte
	for i := 0; i < len(k); i++ {
		if k[i] != 0 {
			b = append(b, k[i])
			continue
		}
		if i+1 < len(k) && k[i+1] == 0xFF {
			b = append(b, 0)
			i++
			continue
		}
		return string(b), k[i+1:], nil
	}
	return "", nil, fmt.Errorf("state key %x: string not ended", k)
}
