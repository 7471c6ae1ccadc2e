package replay_test

import (
	"fmt"
	"strings"
	"time"

	"pawl/replay"
)

// A file of kafka-consumer-groups --reset-offsets --export says where to begin.
func ExampleReadOffsets() {
	at, err := replay.ReadOffsets(strings.NewReader("payments,0,1200\npayments,1,980\n"))
	fmt.Println(at, err)
	// Output: map[payments:map[0:1200 1:980]] <nil>
}

// A point is said in exactly one way.
func ExamplePoint_Validate() {
	p := replay.Point{Earliest: true, Time: time.Unix(1_767_225_600, 0)}
	fmt.Println(p.Validate())
	// Output:
	// say once where to begin: an offset, a time, a duration, earliest, a checkpoint or a file
}
