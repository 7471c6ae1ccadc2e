package replay

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

// WritePage writes the report as one HTML page that needs nothing else.
func (r *Report) WritePage(w io.Writer) error {
	page, err := template.New("page").Funcs(template.FuncMap{"value": valueText}).Parse(pageText)
	if err == nil {
		err = page.Execute(w, r)
	}
	if err != nil {
		return fmt.Errorf("write the report's page: %w", err)
	}
	return nil
}

// valueText is a value of an example as text.
func valueText(v any) string {
	if v == nil {
		return "–"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
