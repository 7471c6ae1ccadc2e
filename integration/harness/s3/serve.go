package s3

import (
	"io"
	"log"
	"net/http/httptest"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Serve serves an empty bucket until the test ends and returns its URL, as checkpoint.url takes it.
// It sets the credentials in the environment. The clock is the server's; nil is the machine's.
func Serve(t *testing.T, clock gofakes3.TimeSource) (url string) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	if clock == nil {
		clock = gofakes3.DefaultTimeSource()
	}
	backend := s3mem.New(s3mem.WithTimeSource(clock))
	if err := backend.CreateBucket("box"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(gofakes3.New(backend, gofakes3.WithTimeSource(clock),
		gofakes3.WithTimeSkewLimit(0)).Server())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that die are no news
	server.Start()
	t.Cleanup(server.Close)
	return "s3://box?region=eu-west-1&use_path_style=true&endpoint=" + server.URL
}
