package rolling

import (
	"time"

	"pawl/processor"
	"pawl/schemas"
)

// Order is OldOrder with its amount renamed and the channel it came by.
type Order struct {
	ID       string    `avro:"id"`
	Customer string    `avro:"customer"`
	Cents    int64     `avro:"cents"`
	At       time.Time `avro:"at"`
	Channel  string    `avro:"channel"`
}

// Account is OldAccount with its amount renamed and the largest order that this version saw since
// it took the account over.
type Account struct {
	Orders  int64 `avro:"orders"`
	Cents   int64 `avro:"cents"`
	Largest int64 `avro:"largest"`
}

// Receipt is OldReceipt with the same changes.
type Receipt struct {
	ID       string `avro:"id"`
	Customer string `avro:"customer"`
	Orders   int64  `avro:"orders"`
	Cents    int64  `avro:"cents"`
	Largest  int64  `avro:"largest"`
	Channel  string `avro:"channel"`
}

// Shop is the channel of orders that name none.
const Shop = "shop"

const (
	order = `{"type":"record","name":"Order","namespace":"shop","fields":[
		{"name":"id","type":"string"},
		{"name":"customer","type":"string"},
		{"name":"cents","type":"long","aliases":["amount"]},
		{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
		{"name":"channel","type":"string","default":"shop"}]}`
	account = `{"type":"record","name":"Account","namespace":"shop","fields":[
		{"name":"orders","type":"long"},
		{"name":"cents","type":"long","aliases":["amount"]},
		{"name":"largest","type":"long","default":0}]}`
	receipt = `{"type":"record","name":"Receipt","namespace":"shop","fields":[
		{"name":"id","type":"string"},
		{"name":"customer","type":"string"},
		{"name":"orders","type":"long"},
		{"name":"cents","type":"long","aliases":["amount"]},
		{"name":"largest","type":"long","default":0},
		{"name":"channel","type":"string","default":"shop"}]}`
)

// OrderType is how the new version writes and reads an order.
func OrderType() schemas.Type[Order] { return schemas.Avro[Order](order) }

// AccountType is how the new version keeps an account.
func AccountType() schemas.Type[Account] { return schemas.Avro[Account](account) }

// ReceiptType is how the new version writes a receipt.
func ReceiptType() schemas.Type[Receipt] { return schemas.Avro[Receipt](receipt) }

// Next is the version after Old.
func Next() *processor.Pipeline {
	p := processor.New(Name)
	accounts := processor.Keyed(p, Accounts, AccountType())
	receipts := processor.Output(p, Receipts, ReceiptType())
	processor.Input(p, Orders, OrderType(), func(ctx *processor.Context, o Order) error {
		a, _ := accounts.Get(ctx)
		a.Orders++
		a.Cents += o.Cents
		a.Largest = max(a.Largest, o.Cents)
		accounts.Set(ctx, a)
		receipts.Emit(ctx, o.Customer, Receipt{ID: o.ID, Customer: o.Customer, Orders: a.Orders,
			Cents: a.Cents, Largest: a.Largest, Channel: o.Channel})
		return nil
	}).Key(func(o Order) string { return o.Customer })
	return p
}
