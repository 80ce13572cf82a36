package store

// Trace lets a test see each statement that finds in the directory.
func (d *Directory) Trace(see func(text string, args []any)) { d.trace = see }

// Spell gives a statement as the database of d takes it.
func (d *Directory) Spell(text string) string { return d.db.text(text) }
