package deadletter_test

import (
	"fmt"

	"pawl/deadletter"
)

// A dead letter is named by where it stands.
func ExampleParseID() {
	id, err := deadletter.ParseID("shop-dlq:2:1081")
	fmt.Println(id.Topic, id.Partition, id.Offset, err)
	_, err = deadletter.ParseID("1081")
	fmt.Println(err)
	// Output:
	// shop-dlq 2 1081 <nil>
	// "1081" is no dead letter; write TOPIC:PARTITION:OFFSET, as pawl deadletter list prints it
}
