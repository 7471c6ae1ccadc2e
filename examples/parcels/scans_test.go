package main

import (
	"fmt"
	"time"

	"pawl/processor/processortest"
)

// scans are what three depots scan in n seconds: some parcels twice, some scans late, some broken.
func scans(n int) (list []processortest.Record) {
	for i := range n {
		at := processortest.Time(time.Duration(i) * time.Second)
		depot := []string{"Ulm", "Kiel", "Gera"}[i*i%7%3]
		s := Scan{Parcel: fmt.Sprint("p", i), Depot: depot, At: at}
		switch {
		case i%10 == 9:
			s.Parcel = fmt.Sprint("p", i-9)
		case i%97 == 0:
			s.Parcel = ""
		case i%101 == 0:
			s.At = s.At.Add(-20 * time.Minute)
		}
		list = append(list, processortest.Record{Topic: "scans", Key: depot, Value: s, Time: at})
	}
	return list
}
