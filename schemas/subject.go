package schemas

import "fmt"

// A SubjectStrategy says under which subject the schema of a topic's values stands, in the words of
// Confluent's serializers. The zero value is TopicName.
type SubjectStrategy string

// The strategies there are.
const (
	// TopicName gives each topic one subject, `<topic>-value`.
	TopicName SubjectStrategy = "TopicNameStrategy"
	// RecordName gives each record type one subject, its full name, whatever the topic.
	RecordName SubjectStrategy = "RecordNameStrategy"
	// TopicRecordName gives each record type of a topic one subject, `<topic>-<full name>`.
	TopicRecordName SubjectStrategy = "TopicRecordNameStrategy"
)

// Subject returns the subject of a topic's values with this schema.
func (s SubjectStrategy) Subject(topic, schema string) (string, error) {
	if s == "" || s == TopicName {
		return topic + "-value", nil
	}
	parsed, err := Parse(schema)
	if err != nil {
		return "", fmt.Errorf("subject of topic %s: %w", topic, err)
	}
	switch s {
	case RecordName:
		return schemaName(parsed), nil
	case TopicRecordName:
		return topic + "-" + schemaName(parsed), nil
	}
	return "", fmt.Errorf("subject.name.strategy=%s: is unknown; use %s, %s or %s", string(s),
		TopicName, RecordName, TopicRecordName)
}
