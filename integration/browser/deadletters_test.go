package browser

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// letter is a dead letter as the API tells it.
type letter struct {
	ID        string `json:"id"`
	Exception string `json:"exception"`
	State     string `json:"state"`
}

// TestDeadLetters: a poison record of the load is there, says what was wrong with it when asked,
// and is sent again at the press of a button; one that is to be discarded is not, if the question
// is answered with Escape.
func TestDeadLetters(t *testing.T) {
	const pipeline = "fraud"
	letters := deadLetters(t, pipeline)
	tab := watched(t, look{})
	tab.show(place{"deadletters", pipeline})
	one := letters[0]
	row := fmt.Sprintf("tr[data-deadletter=%q]", one.ID)
	if text := textOf(tab, row); text == "" {
		t.Fatalf("the page does not list %s", one.ID)
	}
	tab.press(row + " a")
	section := `section[aria-label="Dead letter ` + one.ID + `"]`
	tab.until(showLimit, "what was wrong with "+one.ID, fmt.Sprintf(
		`document.querySelector(%q)?.innerText.includes(%q)`, section, one.Exception))
	for _, fault := range faultsOf(tab, look{}, "deadletters") {
		t.Error(fault)
	}

	tab.press(section + " [data-action=discard]")
	tab.until(showLimit, "the question", `document.querySelector("dialog[open]")`)
	if f := tab.focus(); f.Within != "dialog" {
		t.Errorf("the question leaves the focus at %+v", f)
	}
	tab.key(kb.Escape)
	tab.until(showLimit, "no question", `!document.querySelector("dialog[open]")`)
	if got := deadLetter(t, pipeline, one.ID); got.State != "dead" {
		t.Errorf("after Escape %s is %s", one.ID, got.State)
	}

	tab.press(section + " [data-action=retry]")
	tab.until(showLimit, one.ID+" as retried", fmt.Sprintf(
		`document.querySelector(%q)?.innerText.includes("retried")`, section))
	tab.until(showLimit, one.ID+" as retried in the list", fmt.Sprintf(
		`document.querySelector(%q)?.innerText.includes("retried")`, row))
	if got := deadLetter(t, pipeline, one.ID); got.State != "retried" {
		t.Errorf("after the retry %s is %s", one.ID, got.State)
	}
}

// deadLetters waits until the load had poison in it, and lists it. The first test to ask waits for
// the start of the pipeline, too.
func deadLetters(t *testing.T, pipeline string) []letter {
	t.Helper()
	for end := time.Now().Add(startLimit); ; {
		var list struct {
			DeadLetters []letter `json:"dead_letters"`
		}
		request(t, http.MethodGet, "/p/"+pipeline+"/v1/deadletters?limit=10", nil, &list)
		if len(list.DeadLetters) > 0 {
			return list.DeadLetters
		}
		if time.Now().After(end) {
			t.Fatalf("the load of %s brought no dead letter within %v", pipeline, startLimit)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// deadLetter asks for one.
func deadLetter(t *testing.T, pipeline, id string) letter {
	t.Helper()
	var one letter
	request(t, http.MethodGet, "/p/"+pipeline+"/v1/deadletters/"+url.PathEscape(id), nil, &one)
	return one
}
