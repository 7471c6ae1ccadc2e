package fraud

// Symbols of the enum Reason: which limit a transaction exceeded. A decision is flagged exactly
// when its reason is not ReasonNone.
const (
	ReasonNone           = "NONE"
	ReasonCount          = "COUNT"
	ReasonAmount         = "AMOUNT"
	ReasonCountAndAmount = "COUNT_AND_AMOUNT"
)
