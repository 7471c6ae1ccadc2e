//go:build synctests

package processortest_test

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"pawl/processor/processortest"
)

var many = flag.Int("pawl.partitions", 60, "partitions of TestManyPartitions")

// TestManyPartitions has three instances share a lot of tasks while everything goes wrong, with two
// cards for each partition, so that nearly all of them have something to do.
func TestManyPartitions(t *testing.T) {
	var records []processortest.Record
	for i := range 4 * *many {
		records = append(records, processortest.Record{Topic: "payments",
			Key: fmt.Sprint("card-", i%(2**many)), Value: paid(fmt.Sprint("p", i)),
			Time: processortest.Time(time.Duration(i) * time.Second / 10)})
	}
	processortest.Simulate(t, velocity, records, processortest.Partitions(*many),
		processortest.Instances(3), processortest.Schedules(1))
}
