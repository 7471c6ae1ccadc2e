package query

import (
	"fmt"
	"net/http"
	"testing"
)

// TestFunnelSteps: a user counts for a step that follows the ones before it, and not twice.
func TestFunnelSteps(t *testing.T) {
	c := newCluster(t, "funnel", 2, 3, "")
	for user, actions := range map[string][]string{
		"all":     {"view", "add_cart", "view", "purchase", "purchase"},
		"cart":    {"view", "view", "add_cart"},
		"views":   {"view", "purchase"}, // a purchase of something that was in no cart
		"nothing": {"add_cart", "purchase"},
		"late":    {"add_cart", "view"},
	} {
		c.set(t, "session-sessions", user, str(user), `{"open":[{"start":1,"end":9}]}`)
		for i, action := range actions {
			c.set(t, "session", user, str(user).Int(int64(i)), fmt.Sprintf(`{"action":%q}`, action))
		}
	}
	got := c.get(t, 1, "/v1/funnel?steps=true")
	want := "[map[step:view users:4] map[step:add_cart users:2] map[step:purchase users:1]]"
	if steps := fmt.Sprint(got.body["steps"]); steps != want {
		t.Errorf("steps %s; want %s", steps, want)
	}
	if got.body["users"] != 5.0 || got.body["events"] != 14.0 {
		t.Errorf("beside them: %s", got.text)
	}
	if got := c.get(t, 0, "/v1/funnel"); got.body["steps"] != nil {
		t.Errorf("nobody asked for steps: %s", got.text)
	}
	if got := c.get(t, 0, "/v1/funnel?steps=perhaps"); got.code != http.StatusBadRequest {
		t.Errorf("steps=perhaps: %d %s", got.code, got.text)
	}
}
