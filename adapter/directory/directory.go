package directory

import "time"

// Config is what a Directory works with. Store and Vocabulary must be given.
type Config struct {
	Store      Store
	Vocabulary *Vocabulary
	Now        func() time.Time // default time.Now
	StaleAfter time.Duration    // since the information was last checked, default 180 days
	Every      time.Duration    // how often a feed is refreshed, default a day
	MaxService int              // services of one feed, default 200,000
}

// Directory finds services and keeps them fresh. It is safe for concurrent use.
type Directory struct {
	Config
}

// New makes a Directory.
func New(c Config) *Directory {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.StaleAfter == 0 {
		c.StaleAfter = 180 * 24 * time.Hour
	}
	if c.Every == 0 {
		c.Every = 24 * time.Hour
	}
	if c.MaxService == 0 {
		c.MaxService = 200_000
	}
	return &Directory{c}
}

// now is the time in the precision that is stored.
func (d *Directory) now() time.Time { return d.Now().UTC().Truncate(time.Millisecond) }
