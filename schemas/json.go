package schemas

import (
	"pawl/schemas/internal/plan"
)

// ToJSON turns wire bytes into values that encoding/json prints, by their writer schema alone:
// records and maps become map[string]any, enums and strings string, bytes and fixed base64, times
// RFC 3339 with milliseconds, ints int32, longs int64, and numbers JSON has no word for strings.
// Its errors are those of Decoder.Decode.
func ToJSON(data []byte, r *Resolver) (any, error) {
	id, payload, writer, err := writtenBy(data, r)
	if err != nil {
		return nil, err
	}
	value, reason := plan.Any(payload, writer.schema)
	if reason != "" {
		return nil, &DecodeError{Kind: KindDecode, ID: id, Reason: reason}
	}
	return value, nil
}

// AppendJSON appends what encoding/json prints of ToJSON's value, several times as fast. After an
// error, which is ToJSON's, dst is returned as it was.
func AppendJSON(dst, data []byte, r *Resolver) ([]byte, error) {
	id, payload, writer, err := writtenBy(data, r)
	if err != nil {
		return dst, err
	}
	out, reason := writer.json().Append(dst, payload)
	if reason != "" {
		return dst, &DecodeError{Kind: KindDecode, ID: id, Reason: reason}
	}
	return out, nil
}

// writtenBy splits wire bytes into the payload and what is known of its writer schema.
func writtenBy(data []byte, r *Resolver) (id int32, payload []byte, writer resolved, err error) {
	id, payload, err = ParseHeader(data)
	if err != nil {
		return id, nil, writer, err
	}
	writer, ok := r.find(id)
	switch {
	case !ok:
		err = &UnknownIDError{ID: id}
	case writer.err != nil:
		err = &DecodeError{Kind: KindIncompatible, ID: id, Reason: writer.err.Error(),
			err: writer.err}
	}
	return id, payload, writer, err
}
