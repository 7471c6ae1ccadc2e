package schemas

import (
	"pawl/schemas/internal/plan"
)

// ToJSON turns wire bytes into values that encoding/json prints, by their writer schema alone:
// records and maps become map[string]any, enums and strings string, bytes and fixed base64, times
// RFC 3339 with milliseconds, ints int32, longs int64, and numbers JSON has no word for strings.
// Its errors are those of Decoder.Decode.
func ToJSON(data []byte, r *Resolver) (any, error) {
	id, payload, err := ParseHeader(data)
	if err != nil {
		return nil, err
	}
	writer, ok := r.find(id)
	switch {
	case !ok:
		return nil, &UnknownIDError{ID: id}
	case writer.err != nil:
		return nil, &DecodeError{Kind: KindIncompatible, ID: id, Reason: writer.err.Error(),
			err: writer.err}
	}
	value, reason := plan.Any(payload, writer.schema)
	if reason != "" {
		return nil, &DecodeError{Kind: KindDecode, ID: id, Reason: reason}
	}
	return value, nil
}
