package store

import (
	"context"
	"database/sql"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"spadapter/adapter/issue"
)

// database is what differs between SQLite and PostgreSQL: how to connect, how a
// placeholder is written, three type words, one locking clause and how processes tell each
// other of events.
type database struct {
	postgres bool
	write    *sql.DB // SQLite: one connection, so that writers queue here and not in busy_timeout
	read     *sql.DB
	remove   string    // directory to remove on close, "" when none
	keys     *DataKeys // nil when documents are not sealed

	listening *pgx.ConnConfig // PostgreSQL: how to connect to be told of events

	trace func(ctx context.Context, text string, args []any) // see Watch

	reading   statements
	spelled   sync.Map // PostgreSQL: text → text with its placeholders numbered
	spellings atomic.Int64
	writer    chan *liteWriter // SQLite: holds the one writer while nobody writes
}

func connect(ctx context.Context, rawURL string, o *options) (*database, error) {
	scheme, rest, _ := strings.Cut(rawURL, ":")
	var db *database
	var err error
	switch scheme {
	case "sqlite":
		db, err = connectSQLite(strings.TrimPrefix(rest, "//"), o)
	case "postgres", "postgresql":
		db, err = connectPostgres(ctx, rawURL, o)
	default:
		return nil, issue.New(issue.Value, "store-url", "the database URL begins with neither sqlite: nor postgres://")
	}
	if err != nil {
		return nil, err
	}
	if err := db.write.PingContext(ctx); err != nil {
		db.close()
		return nil, fault(err)
	}
	return db, nil
}

func connectSQLite(path string, o *options) (*database, error) {
	db := &database{writer: make(chan *liteWriter, 1)}
	db.writer <- &liteWriter{}
	if path == "" {
		return nil, issue.New(issue.Value, "store-url", "the database URL names no file: write sqlite:PATH")
	}
	if path == ":memory:" {
		// Databases in memory know no WAL, so this one is an ordinary file that goes away.
		dir, err := os.MkdirTemp("", "adapter-store-")
		if err != nil {
			return nil, issue.New(issue.NoStore, "store-url", "no directory for a temporary database could be made").Because(err)
		}
		db.remove, path = dir, filepath.Join(dir, "adapter.db")
	}
	// SQLite would make a file that everyone may read; its WAL takes the mode of the file.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, issue.New(issue.NoStore, "store-url", "the database file cannot be opened for writing").Because(err)
	}
	file.Close()
	// Pragmas belong to a connection, so they are in the DSN, where every new one gets them.
	pragmas := url.Values{"_pragma": {
		"busy_timeout(5000)", // for a backup tool; this process has one writer
		"journal_mode(WAL)",
		"synchronous(FULL)", // an acknowledged commit survives a power cut
		"foreign_keys(1)",
		"wal_autocheckpoint(8000)", // 32 MB: fewer checkpoints while intake is heavy
		"cache_size(-32768)",       // 32 MB: the inner pages of every index
		"temp_store(MEMORY)",
	}}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + pragmas.Encode()
	if db.write, err = sql.Open("sqlite", dsn+"&_txlock=immediate"); err != nil {
		return nil, fault(err)
	}
	if db.read, err = sql.Open("sqlite", dsn+"&_query_only=1"); err != nil {
		return nil, fault(err)
	}
	db.write.SetMaxOpenConns(1)
	db.read.SetMaxOpenConns(o.readers)
	db.read.SetMaxIdleConns(o.readers)
	return db, nil
}

func connectPostgres(ctx context.Context, rawURL string, o *options) (*database, error) {
	config, err := pgx.ParseConfig(rawURL)
	if err != nil {
		// The parser's error quotes the URL, and with it the password: it is not kept.
		return nil, issue.New(issue.Value, "store-url", "the PostgreSQL URL cannot be read")
	}
	maps.Copy(config.RuntimeParams, planned)
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "spadapter"
	}
	lz4(ctx, config)
	db := &database{postgres: true, write: stdlib.OpenDB(*config), read: stdlib.OpenDB(*config), listening: config.Copy()}
	writers := o.committers + 5 // beside the committers: two queues that claim, the sequencer, the publisher, an operator
	db.write.SetMaxOpenConns(writers)
	db.write.SetMaxIdleConns(writers)
	db.read.SetMaxOpenConns(o.readers)
	db.read.SetMaxIdleConns(o.readers)
	return db, nil
}

// lz4 has large bodies compressed with LZ4 where the server knows it, which costs it a
// fifth of what its own method does. A server that does not, or is not there, is
// found out by the first connection, which is made here.
func lz4(ctx context.Context, config *pgx.ConnConfig) {
	const method = "default_toast_compression"
	if config.RuntimeParams[method] != "" {
		return
	}
	config.RuntimeParams[method] = "lz4"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		delete(config.RuntimeParams, method)
		return
	}
	conn.Close(ctx)
}

func (db *database) close() error {
	if db.writer != nil {
		select {
		case w := <-db.writer:
			w.drop()
			db.writer <- w
		default: // a write hangs: its connection goes when it ends
		}
	}
	err := db.write.Close()
	if e := db.read.Close(); err == nil {
		err = e
	}
	if db.remove != "" {
		os.RemoveAll(db.remove)
	}
	return fault(err)
}

// text spells a statement for this database: ? becomes $1, $2… on PostgreSQL. No
// statement here holds a ? that is not a placeholder.
func (db *database) text(query string) string {
	if !db.postgres {
		return query
	}
	if spelled, ok := db.spelled.Load(query); ok {
		return spelled.(string)
	}
	spelled := numbered(query)
	if db.spellings.Add(1) <= maxStatements {
		db.spelled.Store(query, spelled)
	}
	return spelled
}

// numbered writes the placeholders of PostgreSQL.
func numbered(query string) string {
	var b strings.Builder
	b.Grow(len(query) + len(query)/4)
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

// schema spells the type words of a migration.
func (db *database) schema(text string) string {
	if db.postgres {
		return strings.NewReplacer(" TEXT ", ` TEXT COLLATE "C" `, " BYTES ", " BYTEA ", " IDENTITY ", " BIGINT GENERATED ALWAYS AS IDENTITY ").Replace(text)
	}
	return strings.NewReplacer(" BYTES ", " BLOB ", " IDENTITY ", " INTEGER ").Replace(text)
}

// skipLocked ends a SELECT of rows that this transaction will change.
func (db *database) skipLocked() string {
	if db.postgres {
		return " FOR UPDATE SKIP LOCKED"
	}
	return "" // the one writer has the whole file
}

// Watch lets a test see each statement that reads outside a transaction, with the context
// that it was asked in: how many there are must not tell what lies outside a scope. Nobody
// else may use the store yet.
func (s *Store) Watch(see func(ctx context.Context, text string, args []any)) { s.db.trace = see }

// query searches outside any transaction. PostgreSQL plans a search anew each time: searches
// differ by values, which a plan made once for all values cannot know.
func (db *database) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if !db.postgres {
		return db.lookUp(ctx, text, args...)
	}
	if db.trace != nil {
		db.trace(ctx, text, args)
	}
	// a statement that is not prepared has no plan to use again
	return db.read.QueryContext(ctx, db.text(text), append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
}

// lookUp is query for what has one key, or waits: one plan serves all values, and making it
// costs PostgreSQL several times what the reading does.
func (db *database) lookUp(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if db.trace != nil {
		db.trace(ctx, text, args)
	}
	if db.postgres { // pgx keeps prepared statements itself
		return db.read.QueryContext(ctx, db.text(text), args...)
	}
	stmt, err := db.reading.get(ctx, db.read, text)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return db.read.QueryContext(ctx, text, args...)
	}
	return stmt.QueryContext(ctx, args...)
}

// statements keeps prepared statements by their text.
type statements struct {
	mu   sync.RWMutex
	kept map[string]*sql.Stmt
}

// maxStatements bounds the memory of prepared statements. Searches can be written in
// more ways than that; those are prepared each time.
const maxStatements = 512

type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// get gives a prepared statement, nil when it is not worth keeping.
func (s *statements) get(ctx context.Context, from preparer, text string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt, full := s.kept[text], len(s.kept) >= maxStatements
	s.mu.RUnlock()
	if stmt != nil || full {
		return stmt, nil
	}
	made, err := from.PrepareContext(ctx, text) // outside the lock: it may wait for a connection
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.kept[text]; other != nil {
		made.Close()
		return other, nil
	}
	if s.kept == nil {
		s.kept = map[string]*sql.Stmt{}
	}
	s.kept[text] = made
	return made, nil
}

// planned is how PostgreSQL is to plan our statements.
var planned = map[string]string{
	// Statements are planned once, often while a table is still empty and a sequential
	// scan looks cheap; every statement here has an index to go by.
	"enable_seqscan": "off",
	// What is joined is looked up by its key; the other joins walk through one of the tables.
	"enable_mergejoin": "off",
	"enable_hashjoin":  "off",
	// Statements here end within milliseconds: to compile one, or to start a worker for it,
	// takes many times as long.
	"jit":                             "off",
	"max_parallel_workers_per_gather": "0",
}
