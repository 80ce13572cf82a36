// Package storetest gives tests a real store: SQLite in a temporary directory, and a
// real PostgreSQL that it starts itself.
//
//	func TestMain(m *testing.M) { storetest.Main(m) }
//
//	func TestCommit(t *testing.T) {
//		storetest.Each(t, func(t *testing.T, s *store.Store) { … })
//	}
//
// PostgreSQL is the server that ADAPTER_TEST_POSTGRES names, else one started from the
// initdb and postgres on this machine, with its data in a temporary directory and
// flushing to disk as in production. Where neither exists a test says so in its log,
// and fails when CI is set.
//
// It stands in for no other package's fixtures: it fills no database.
package storetest
