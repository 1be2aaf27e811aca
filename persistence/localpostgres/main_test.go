package localpostgres

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// helperDirVariable makes the test binary start a server in the directory that it names, print its
// URL and wait to be killed.
const helperDirVariable = "LOCALPOSTGRES_HELPER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDirVariable); dir != "" {
		os.Exit(runHelper(dir))
	}
	goleak.VerifyTestMain(m)
}

func runHelper(dir string) int {
	server, err := Start(context.Background(), Config{DataDir: dir, Settings: map[string]string{"shared_buffers": "32MB"}})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println(server.URL)
	<-server.Done()
	return 0
}
