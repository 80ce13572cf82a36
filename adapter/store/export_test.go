package store

// Trace lets a test see each statement that finds in the directory.
func (d *Directory) Trace(see func(text string, args []any)) { d.trace = see }

// Spell gives a statement as the database of d takes it.
func (d *Directory) Spell(text string) string { return d.db.text(text) }

// Trace lets a test see each statement that reads, outside and inside transactions.
func (s *Store) Trace(see func(text string, args []any)) { s.db.trace = see }

// Spell gives a statement as the database of s takes it.
func (s *Store) Spell(text string) string { return s.db.text(text) }

// Few sets how many rows are sorted at most, and how many of one holder are many.
func (s *Store) Few(few, many int) { s.options.few, s.options.many = few, many }
