package store_test

import (
	"database/sql"
	"strings"
	"sync"
	"testing"

	"spadapter/adapter/issue"
	"spadapter/adapter/store"
	"spadapter/adapter/store/storetest"
)

// administrator opens a database past the store.
func administrator(t *testing.T, url string) *sql.DB {
	t.Helper()
	driver, source := "pgx", url
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, source = "sqlite", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// raw runs a statement past the store.
func raw(t *testing.T, url, text string) {
	t.Helper()
	db := administrator(t, url)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

func TestMigrationsThatChangedAreRefused(t *testing.T) {
	for name, change := range map[string]string{
		"an edited file":     "UPDATE migration SET sha256 = 'of another text'",
		"a newer program's":  "INSERT INTO migration (name, sha256, at) VALUES ('9999_later.sql', '', 0)",
		"one that was taken": "UPDATE migration SET name = '0000_gone.sql' WHERE name = '0001_schema.sql'",
	} {
		t.Run(name, func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				for range 2 { // the second time there is nothing to do
					s, err := store.Open(t.Context(), url)
					if err != nil {
						t.Fatal(explain(err))
					}
					s.Close(t.Context())
				}
				raw(t, url, change)
				if name == "one that was taken" {
					_, err := store.Open(t.Context(), url)
					wantIssue(t, err, issue.Exception, "") // its tables exist already
					return
				}
				_, err := store.Open(t.Context(), url)
				wantIssue(t, err, issue.Conflict, "migration-changed")
			})
		})
	}
}

func TestManyOpenTheSameDatabase(t *testing.T) {
	url := storetest.Postgres(t)
	if url == "" {
		return
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := store.Open(background, url)
			if err != nil {
				t.Error(explain(err))
				return
			}
			if err := s.Ping(background); err != nil {
				t.Error(explain(err))
			}
			s.Close(background)
		})
	}
	wg.Wait()
}

func TestOpenRefuses(t *testing.T) {
	for url, want := range map[string]issue.Type{
		"":                                      issue.Value,
		"mysql://db":                            issue.Value,
		"sqlite:":                               issue.Value,
		"postgres://user:secret@host:notaport/": issue.Value,
		"sqlite:" + t.TempDir() + "/none/x.db":  issue.NoStore,
		"postgres://127.0.0.1:1/adapter":        issue.NoStore,
	} {
		s, err := store.Open(t.Context(), url)
		if err == nil {
			s.Close(t.Context())
		}
		wantIssue(t, err, want, "")
		if strings.Contains(explain(err).Error(), "secret") {
			t.Errorf("%s: the error holds the password", url)
		}
	}
	s := storetest.Open(t, "sqlite::memory:")
	c, _ := intake(s, 1, "A83002", "SPX01", "")
	commit(t, s, c)
}
