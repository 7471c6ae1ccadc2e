package rolling

import (
	"time"

	"pawl/processor"
	"pawl/schemas"
)

// Names of the pipeline and of its topics and store, the same in both versions.
const (
	Name     = "shop"
	Orders   = "orders"
	Receipts = "receipts"
	Accounts = "accounts"
)

// OldOrder is an order, by its customer.
type OldOrder struct {
	ID       string    `avro:"id"`
	Customer string    `avro:"customer"`
	Amount   int64     `avro:"amount"`
	At       time.Time `avro:"at"`
}

// OldAccount is what a customer has ordered so far.
type OldAccount struct {
	Orders int64 `avro:"orders"`
	Amount int64 `avro:"amount"`
}

// OldReceipt says that an order was counted, and what the customer's account came to.
type OldReceipt struct {
	ID       string `avro:"id"`
	Customer string `avro:"customer"`
	Orders   int64  `avro:"orders"`
	Amount   int64  `avro:"amount"`
}

const (
	oldOrder = `{"type":"record","name":"Order","namespace":"shop","fields":[
		{"name":"id","type":"string"},
		{"name":"customer","type":"string"},
		{"name":"amount","type":"long","aliases":["cents"]},
		{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}`
	oldAccount = `{"type":"record","name":"Account","namespace":"shop","fields":[
		{"name":"orders","type":"long"},
		{"name":"amount","type":"long","aliases":["cents"]}]}`
	oldReceipt = `{"type":"record","name":"Receipt","namespace":"shop","fields":[
		{"name":"id","type":"string"},
		{"name":"customer","type":"string"},
		{"name":"orders","type":"long"},
		{"name":"amount","type":"long","aliases":["cents"]}]}`
)

// OldOrderType is how the old version writes and reads an order.
func OldOrderType() schemas.Type[OldOrder] { return schemas.Avro[OldOrder](oldOrder) }

// OldAccountType is how the old version keeps an account.
func OldAccountType() schemas.Type[OldAccount] { return schemas.Avro[OldAccount](oldAccount) }

// OldReceiptType is how the old version writes a receipt.
func OldReceiptType() schemas.Type[OldReceipt] { return schemas.Avro[OldReceipt](oldReceipt) }

// Old is the version of before: a receipt for each order.
func Old() *processor.Pipeline {
	p := processor.New(Name)
	accounts := processor.Keyed(p, Accounts, OldAccountType())
	receipts := processor.Output(p, Receipts, OldReceiptType())
	processor.Input(p, Orders, OldOrderType(), func(ctx *processor.Context, o OldOrder) error {
		a, _ := accounts.Get(ctx)
		a.Orders++
		a.Amount += o.Amount
		accounts.Set(ctx, a)
		receipts.Emit(ctx, o.Customer, OldReceipt{ID: o.ID, Customer: o.Customer, Orders: a.Orders,
			Amount: a.Amount})
		return nil
	}).Key(func(o OldOrder) string { return o.Customer })
	return p
}
