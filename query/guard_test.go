package query

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAccess is who may do what.
func TestAccess(t *testing.T) {
	both := Access{Token: "all", ReadOnly: "some"}
	bare := Access{Certificates: true}
	every := Access{Token: "all", ReadOnly: "some", Certificates: true}
	for _, c := range []struct {
		access       Access
		method, path string
		header       string
		certificate  bool
		code         int
		says         string
	}{
		{Access{}, "POST", "/v1/x", "", false, 200, ""},
		{both, "GET", "/v1/x", "Bearer some", false, 200, ""},
		{both, "HEAD", "/v1/x", "bearer  some ", false, 200, ""},
		{both, "POST", "/v1/x", "Bearer some", false, 403, "api.token"},
		{both, "DELETE", "/v1/x", "Bearer some", false, 403, "api.readonly.token"},
		{both, "POST", "/v1/x", "Bearer all", false, 200, ""},
		{both, "GET", "/v1/x", "Bearer ", false, 401, "api.token"},
		{both, "GET", "/v1/x", "Bearer som", false, 401, "api.token"},
		{both, "GET", "/v1/x", "Basic some", false, 401, "api.token"},
		{both, "GET", "/ping", "", false, 200, ""},
		{Access{Token: "all"}, "GET", "/v1/x", "Bearer", false, 401, ""},
		{bare, "GET", "/v1/x", "", false, 401, "client certificate"},
		{bare, "GET", "/v1/x", "Bearer all", false, 401, "client certificate"},
		{bare, "POST", "/v1/x", "", true, 200, ""},
		{bare, "GET", "/ready", "", false, 200, ""},
		{every, "GET", "/v1/x", "Bearer all", false, 401, "client certificate"},
		{every, "GET", "/v1/x", "", true, 401, "api.token"},
		{every, "POST", "/v1/x", "Bearer some", true, 403, ""},
		{every, "POST", "/v1/x", "Bearer all", true, 200, ""},
	} {
		h := Guard(c.access, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
			"/ping", "/ready")
		r := httptest.NewRequest(c.method, c.path, nil)
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}} // not verified
		if c.certificate {
			r.TLS.VerifiedChains = [][]*x509.Certificate{{{}}}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.says) ||
			w.Header().Get(requestID) == "" {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); challenge != "" && w.Code != 401 {
			t.Errorf("%+v: asks for %s", c, challenge)
		}
	}
}
