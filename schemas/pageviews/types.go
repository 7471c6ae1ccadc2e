package pageviews

import (
	_ "embed"

	"pawl/schemas"
)

// The schemas, as they are registered.
var (
	//go:embed page_view.avsc
	pageViewSchema string
	//go:embed page_count.avsc
	pageCountSchema string
	//go:embed page_total.avsc
	pageTotalSchema string
	//go:embed page_minute.avsc
	pageMinuteSchema string
)

// PageViewType returns how a PageView is written and read.
func PageViewType() schemas.Type[PageView] { return schemas.Avro[PageView](pageViewSchema) }

// PageCountType returns how a PageCount is written and read.
func PageCountType() schemas.Type[PageCount] { return schemas.Avro[PageCount](pageCountSchema) }

// PageTotalType returns how a PageTotal is written and read.
func PageTotalType() schemas.Type[PageTotal] { return schemas.Avro[PageTotal](pageTotalSchema) }

// PageMinuteType returns how a PageMinute is written and read.
func PageMinuteType() schemas.Type[PageMinute] {
	return schemas.Avro[PageMinute](pageMinuteSchema)
}
