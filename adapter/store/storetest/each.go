package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"spadapter/adapter/store"
)

// Main runs the tests of a package and stops the server that they started. Use it in
// TestMain; without it the server ends with the process, its directory stays.
func Main(m *testing.M) {
	code := m.Run()
	stop()
	os.Exit(code)
}

// Each runs f on a new, empty store of each kind, as the subtests sqlite and postgres.
func Each(t *testing.T, f func(t *testing.T, s *store.Store)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) { f(t, Open(t, url)) })
}

// EachURL runs f with the URL of a new, empty database of each kind.
func EachURL(t *testing.T, f func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) {
		if u := Postgres(t); u != "" {
			f(t, u)
		}
	})
}

// Open opens a store that is closed when the test ends.
func Open(t testing.TB, url string, opts ...store.Option) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, opts...)
	if err != nil {
		t.Fatalf("opening the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return s
}

// SQLite gives the URL of a new database in the test's temporary directory.
func SQLite(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "adapter.db")
}

// Postgres gives the URL of a new, empty schema on a running server, dropped when the
// test ends. "" when there is no server: the log then says so, and with CI set the test
// fails.
func Postgres(t testing.TB) string {
	t.Helper()
	base, err := server()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("NOT TESTED on PostgreSQL: %v", err)
		}
		t.Logf("NOT TESTED on PostgreSQL: %v", err)
		return ""
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("the URL of the test server cannot be read: %v", err)
	}
	schema := "t_" + rand.Text()
	run := func(text string) {
		db, err := sql.Open("pgx", base)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(context.Background(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	run(`CREATE SCHEMA "` + schema + `"`)
	t.Cleanup(func() { run(`DROP SCHEMA "` + schema + `" CASCADE`) })
	q := u.Query()
	q.Set("search_path", `"`+schema+`"`)
	u.RawQuery = q.Encode()
	return u.String()
}
