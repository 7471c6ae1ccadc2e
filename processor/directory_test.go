package processor

import "testing"

// TestAddressInUserData takes apart what was put together, and leaves alone what was not.
func TestAddressInUserData(t *testing.T) {
	for _, rest := range []string{"", "x", "\x00\x01more", addressMark} {
		for _, address := range []string{"", "127.0.0.1:8080", "[::1]:1"} {
			data := withAddress([]byte(rest), address)
			got, at := splitAddress(data)
			if string(got) != rest || at != address {
				t.Errorf("%q and %q came back as %q and %q", rest, address, got, at)
			}
		}
	}
	for _, data := range []string{"\x00\x09pawl@1", "pawl@1", "a\xff\xffpawl@1"} {
		if rest, address := splitAddress([]byte(data)); string(rest) != data || address != "" {
			t.Errorf("%q gives address %q and %q", data, address, rest)
		}
	}
}
