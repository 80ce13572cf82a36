// Package store keeps referrals and everything that belongs to them in a SQL
// database: SQLite for one process, PostgreSQL for any number of them. It is the
// [referral.Store] and the queue that package delivery claims from.
//
//	s, err := store.Open(ctx, "sqlite:adapter.db") // or "postgres://adapter@db/adapter"
//	if err != nil {
//		return err
//	}
//	defer s.Close(ctx)
//	err = s.Commit(ctx, &referral.Change{Organisation: "A83002", At: now, Message: m})
//
// One schema and one SQL text serve both databases. Concurrent commits share a
// transaction and its one flush to disk, and each of them still succeeds or fails
// alone. Every read is limited to a [referral.Scope] in SQL.
//
// It does not decide anything about a referral, convert, send, or read the documents
// it keeps; what search may find is handed to it as terms. It needs a session of its
// own on PostgreSQL: behind a pooler, use session pooling.
package store
