package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
)

// The bank moves money between the accounts of a branch, so that the sum over a branch never
// changes, and counts the branch's records as the pageviews pipeline counts pages, so that top-N
// can be asked for.
const (
	bankInput    = "transfers"
	bankTasks    = 4
	bankBranches = 40
	bankAccounts = 25      // of each branch
	bankOpening  = 100_000 // cents of each account
)

// transfer opens its branch when it moves nothing.
type transfer struct {
	From  int64 `avro:"from"`
	To    int64 `avro:"to"`
	Cents int64 `avro:"cents"`
}

type balance struct {
	Cents int64 `avro:"cents" json:"cents"`
}

type pageTotal struct {
	Views int64 `avro:"views"`
}

var (
	transferType = schemas.Avro[transfer](`{"type":"record","name":"Transfer","fields":[
		{"name":"from","type":"long"},{"name":"to","type":"long"},{"name":"cents","type":"long"}]}`)
	balanceType = schemas.Avro[balance](
		`{"type":"record","name":"Balance","fields":[{"name":"cents","type":"long"}]}`)
	pageTotalType = schemas.Avro[pageTotal](
		`{"type":"record","name":"PageTotal","fields":[{"name":"views","type":"long"}]}`)
)

// bank is the pipeline.
func bank() *processor.Pipeline {
	p := processor.New("pageviews")
	accounts := processor.Keyed(p, "accounts", balanceType)
	pages := processor.Keyed(p, "page-counts", pageTotalType)
	processor.Input(p, bankInput, transferType, func(ctx *processor.Context, t transfer) error {
		add := func(account, cents int64) {
			key := str(ctx.Key()).Int(account)
			b, _ := accounts.GetAt(ctx, key)
			b.Cents += cents
			accounts.SetAt(ctx, key, b)
		}
		if t.Cents == 0 {
			for n := range int64(bankAccounts) {
				add(n, bankOpening)
			}
		} else {
			add(t.From, -t.Cents)
			add(t.To, t.Cents)
		}
		page, _ := pages.Get(ctx)
		page.Views++
		pages.Set(ctx, page)
		return nil
	})
	return p
}

func branchName(n int) string { return fmt.Sprintf("b%02d", n) }

// account is one account of a branch.
type account struct {
	branch string
	number int64
}

// step is a balance from the record at an offset on.
type step struct{ offset, cents int64 }

// books are the oracle: what each account held and how often each branch was seen, at any offset.
type books struct {
	accounts map[account][]step
	records  map[string][]int64 // offsets of each branch's records
	ends     map[int32]int64
}

// readBooks replays the input from its beginning to its end, knowing nothing of the engine.
func readBooks(t *testing.T, broker string, r *schemas.Resolver, ends map[int32]int64) *books {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(bankInput),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	decode := schemas.NewDecoder(transferType, r)
	b := &books{accounts: make(map[account][]step), records: make(map[string][]int64), ends: ends}
	left := int64(0)
	for _, end := range ends {
		left += end
	}
	for left > 0 {
		fetches := cl.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			left--
			var one transfer
			if err := decode.DecodeFetching(t.Context(), rec.Value, &one); err != nil {
				t.Fatal(err)
			}
			b.record(string(rec.Key), rec.Offset, one)
		})
	}
	return b
}

func (b *books) record(branch string, offset int64, t transfer) {
	b.records[branch] = append(b.records[branch], offset)
	if t.Cents == 0 {
		for n := range int64(bankAccounts) {
			b.move(account{branch, n}, offset, bankOpening)
		}
		return
	}
	b.move(account{branch, t.From}, offset, -t.Cents)
	b.move(account{branch, t.To}, offset, t.Cents)
}

func (b *books) move(a account, offset, cents int64) {
	list := b.accounts[a]
	if n := len(list); n > 0 {
		cents += list[n-1].cents
	}
	b.accounts[a] = append(list, step{offset, cents})
}

// balance is what an account holds once all records below offset are processed.
func (b *books) balance(a account, offset int64) (cents int64, ok bool) {
	list := b.accounts[a]
	n := sort.Search(len(list), func(i int) bool { return list[i].offset >= offset })
	if n == 0 {
		return 0, false
	}
	return list[n-1].cents, true
}

// top are the n most seen branches, each as of the offset of its task; tasks that are missing
// count for nothing.
func (b *books) top(n int, offsets map[int32]int64) []viewed {
	all := []viewed{}
	for branch, list := range b.records {
		offset, ok := offsets[taskOfBranch(branch)]
		views := sort.Search(len(list), func(i int) bool { return list[i] >= offset })
		if ok && views > 0 {
			all = append(all, viewed{branch, int64(views)})
		}
	}
	slices.SortFunc(all, func(a, b viewed) int {
		return cmp.Or(cmp.Compare(b.Views, a.Views), cmp.Compare(a.Page, b.Page))
	})
	return all[:min(n, len(all))]
}

func taskOfBranch(branch string) int32 { return processor.PartitionOf([]byte(branch), bankTasks) }

// observed is one answer, kept until the books are there to judge it.
type observed struct {
	from, path string
	epochs     map[int32]int64
	offsets    map[int32]int64
	balances   map[account]int64
	listed     bool // all accounts of the branches that are in it
	whole      bool // all accounts of the tasks
	top        []viewed
	ranked     int // of how many pages top was asked for, 0 when it was not
}

// judge says what is wrong with an answer, "" for nothing.
func (b *books) judge(o *observed) string {
	sums, found := make(map[int32]int64), make(map[int32]int)
	branchSums, branchFound := make(map[string]int64), make(map[string]int)
	for a, cents := range o.balances {
		task := taskOfBranch(a.branch)
		offset, ok := o.offsets[task]
		if !ok {
			return fmt.Sprintf("has account %v of task %d, which it does not name", a, task)
		}
		if want, ok := b.balance(a, offset); !ok || cents != want {
			return fmt.Sprintf("account %v holds %d, want %d at offset %d of task %d", a, cents,
				want, offset, task)
		}
		sums[task] += cents
		found[task]++
		branchSums[a.branch] += cents
		branchFound[a.branch]++
	}
	for branch, n := range branchFound {
		if o.listed && (n != bankAccounts || branchSums[branch] != bankAccounts*bankOpening) {
			return fmt.Sprintf("branch %s has %d accounts with %d cents in all, want %d with %d",
				branch, n, branchSums[branch], bankAccounts, bankAccounts*bankOpening)
		}
	}
	for task := range o.offsets {
		n := accountsOf(task)
		if o.whole && (found[task] != n || sums[task] != int64(n)*bankOpening) {
			return fmt.Sprintf("task %d has %d accounts with %d cents in all, want %d with %d",
				task, found[task], sums[task], n, n*bankOpening)
		}
	}
	if want := b.top(o.ranked, o.offsets); o.ranked > 0 && !slices.Equal(o.top, want) {
		return fmt.Sprintf("the top are %v, want %v", o.top, want)
	}
	return ""
}

// accountsOf is how many accounts a task has.
func accountsOf(task int32) (n int) {
	for i := range bankBranches {
		if taskOfBranch(branchName(i)) == task {
			n += bankAccounts
		}
	}
	return n
}

// openBranches are the records that open all branches.
func openBranches(value func(transfer) []byte) []*kgo.Record {
	var all []*kgo.Record
	for i := range bankBranches {
		all = append(all, &kgo.Record{Topic: bankInput, Key: []byte(branchName(i)),
			Value: value(transfer{})})
	}
	return all
}

// encoder writes transfers as a producer would.
func encoder(ctx context.Context, t *testing.T, registry schemas.Registry) func(transfer) []byte {
	t.Helper()
	id, err := registry.Register(ctx, bankInput+"-value", transferType.String())
	if err != nil {
		t.Fatal(err)
	}
	enc := schemas.NewEncoder(transferType, id)
	return func(one transfer) []byte {
		value, err := enc.Append(nil, &one)
		if err != nil {
			t.Error(err)
		}
		return value
	}
}

// accountPath is where one account is read.
func accountPath(a account) string {
	return fmt.Sprintf("/v1/state/keyvalue/accounts/%s?rest=[%d]", a.branch, a.number)
}
