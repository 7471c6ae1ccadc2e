package schemas_test

import (
	"context"
	"errors"
	"fmt"

	"pawl/schemas"
)

type scan struct {
	Parcel string `avro:"parcel"`
	Grams  int64  `avro:"grams"`
}

const scanSchema = `{"type":"record","name":"Scan","fields":[
	{"name":"parcel","type":"string"},{"name":"grams","type":"long"}]}`

// A value goes out with the id of its schema before it, and comes back as the Go type.
func ExampleAvro() {
	ctx, registry := context.Background(), schemas.NewMemory()
	resolver := schemas.NewResolver(registry)
	typ := schemas.Avro[scan](scanSchema)
	id, err := schemas.Bind(ctx, registry, resolver, "scans-value", typ.String(), true)
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := schemas.NewEncoder(typ, id).Append(nil, &scan{Parcel: "p1", Grams: 300})
	fmt.Printf("%x %v\n", value, err)

	var back scan
	err = schemas.NewDecoder(typ, resolver).Decode(value, &back)
	fmt.Println(back, err)
	// Output:
	// 0000000001047031d804 <nil>
	// {p1 300} <nil>
}

// What clashes is said field by field, before anything is deployed.
func ExampleCompatible() {
	before, err := schemas.Parse(scanSchema)
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := schemas.Parse(`{"type":"record","name":"Scan","fields":[
		{"name":"parcel","type":"string"},{"name":"depot","type":"string"}]}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	var clash *schemas.ClashError
	if errors.As(schemas.Compatible(after, before), &clash) {
		fmt.Println(clash.Fields, "cannot be read")
	}
	// Output: [depot] cannot be read
}
