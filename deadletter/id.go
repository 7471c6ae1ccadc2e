package deadletter

import (
	"fmt"
	"strconv"
	"strings"
)

// ID names a dead letter by where it stands on the dead-letter topic: TOPIC:PARTITION:OFFSET.
type ID struct {
	Topic     string
	Partition int32
	Offset    int64
}

// ParseID reads an ID as String writes it.
func ParseID(text string) (ID, error) {
	var id ID
	wrong := fmt.Errorf("%.200q is no dead letter; write TOPIC:PARTITION:OFFSET, as pawl "+
		"deadletter list prints it", text)
	rest, offset, ok := cutLast(text)
	topic, partition, ok2 := cutLast(rest)
	if !ok || !ok2 || topic == "" {
		return id, wrong
	}
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || p < 0 {
		return id, wrong
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || o < 0 {
		return id, wrong
	}
	return ID{Topic: topic, Partition: int32(p), Offset: o}, nil
}

func cutLast(text string) (before, after string, ok bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "", "", false
	}
	return text[:i], text[i+1:], true
}

// String is TOPIC:PARTITION:OFFSET.
func (id ID) String() string {
	return id.Topic + ":" + strconv.Itoa(int(id.Partition)) + ":" +
		strconv.FormatInt(id.Offset, 10)
}

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}
