package schemas

import (
	"encoding/binary"
	"fmt"
)

// HeaderSize is the length of the wire header: a zero byte and a schema id of four bytes.
const HeaderSize = 5

// Kinds of DecodeError, as they stand in the dead letter's exception header.
const (
	// KindDecode is the kind of bytes that are not what their schema says.
	KindDecode = "DecodeError"
	// KindIncompatible is the kind of bytes whose schema cannot be read as the one wanted.
	KindIncompatible = "IncompatibleSchema"
	// KindNull is the kind of a null value where a value is needed.
	KindNull = "NullValue"
)

// DecodeError says why the bytes of one record can never become a value, whoever tries again.
type DecodeError struct {
	Kind   string // KindDecode, KindIncompatible or KindNull
	Reason string // what is wrong, and in which field
	ID     int32  // the writer schema's id; 0 when the header could not be read
	err    error
}

// Error names the kind, the schema id and the reason.
func (e *DecodeError) Error() string {
	if e.ID == 0 {
		return fmt.Sprintf("%s: %s", e.Kind, e.Reason)
	}
	return fmt.Sprintf("%s: schema id %d: %s", e.Kind, e.ID, e.Reason)
}

// Unwrap returns the cause, such as the *ClashError of an incompatible schema.
func (e *DecodeError) Unwrap() error { return e.err }

// UnknownIDError says that a schema id is not in the Resolver yet. The record may be good: fetch
// the schema and decode again.
type UnknownIDError struct {
	ID int32 // the id that the record's header names
}

// Error names the id.
func (e *UnknownIDError) Error() string {
	return fmt.Sprintf("schema id %d is not loaded; fetch it from the registry", e.ID)
}

// AppendHeader appends the wire header of schema id to dst.
func AppendHeader(dst []byte, id int32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0), uint32(id))
}

// ParseHeader splits data into the schema id and the Avro bytes after it. Its errors are
// *DecodeError.
func ParseHeader(data []byte) (id int32, payload []byte, err error) {
	if len(data) >= HeaderSize && data[0] == 0 {
		return int32(binary.BigEndian.Uint32(data[1:])), data[HeaderSize:], nil
	}
	return 0, nil, headerError(data)
}

// headerError says what is wrong with a header. It stands apart so that ParseHeader is inlined.
func headerError(data []byte) error {
	switch {
	case data == nil:
		return &DecodeError{Kind: KindNull, Reason: "the value is null"}
	case len(data) < HeaderSize:
		return &DecodeError{Kind: KindDecode,
			Reason: fmt.Sprintf("%d bytes, but the wire header alone has %d", len(data),
				HeaderSize)}
	default:
		return &DecodeError{Kind: KindDecode,
			Reason: fmt.Sprintf("first byte is 0x%02x, but the wire format begins with 0x00",
				data[0])}
	}
}
