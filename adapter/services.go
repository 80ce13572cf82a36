package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"spadapter/adapter/directory"
	"spadapter/adapter/feed"
	"spadapter/adapter/store"
)

// servicesCmd works on the directory of services.
type servicesCmd struct {
	Import    importCmd    `cmd:"" help:"Take the services of an Open Referral UK feed over, as a whole or not at all."`
	List      listCmd      `cmd:"" help:"Find services, as GET /api/v1/services does."`
	Feeds     feedsCmd     `cmd:"" help:"Show the feeds and how they went."`
	Postcodes postcodesCmd `cmd:"" help:"Load the middles of postcode sectors from a CSV file."`
}

// directoryFlags are those of every command on the directory.
type directoryFlags struct {
	databaseFlags
	Maps      string `help:"Folder whose ConceptMaps lie over the shipped ones." env:"ADAPTER_MAPS_DIR" name:"maps"`
	StaleDays int    `help:"Days after which a service that nobody checked counts as stale." env:"ADAPTER_STALE_DAYS" name:"stale-days" default:"180"`
}

// open opens the directory; close lets the database go.
func (f *directoryFlags) open(ctx context.Context) (*directory.Directory, *store.Store, error) {
	compiled, err := compile(Config{Maps: f.Maps}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	s, err := openStore(ctx, f.Database, f.DataKeys, f.DataKeysCommand)
	if err != nil {
		return nil, nil, details(err)
	}
	d, err := newDirectory(s, compiled, Config{StaleDays: f.StaleDays})
	if err != nil {
		return nil, nil, errors.Join(err, s.Close(ctx))
	}
	return d, s, nil
}

// importCmd takes one feed over.
type importCmd struct {
	directoryFlags
	Source string `arg:"" help:"URL of the feed, such as https://directory.example.gov.uk/api, or a JSON file with a list of services; - is standard input."`
	Feed   string `help:"Name under which the services are kept; the same name again replaces them. Default the host of the URL, or the name of the file."`
	Shrink bool   `help:"Import also when more than half of the services that were there are gone."`
	Plain  bool   `help:"Allow http to another machine: for test networks only." env:"ADAPTER_PLAIN_FEEDS" name:"plain"`
	Faults int    `help:"How many faults of the feed to list." default:"20"`
}

func (c *importCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	source, name, closer, err := c.source()
	if err != nil {
		return err
	}
	defer closer.Close()
	d, s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close(context.WithoutCancel(ctx))
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription("services"), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("services"), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetVisibility(term.IsTerminal(int(os.Stderr.Fd()))))
	report, err := d.Refresh(ctx, name, source, directory.Options{Force: true, Full: true, Shrink: c.Shrink, Progress: func(r directory.Report) {
		if r.Total > 0 && bar.GetMax() < 0 {
			bar.ChangeMax(r.Total)
		}
		_ = bar.Set(r.Read) // a bar that cannot be drawn is no loss
	}})
	_ = bar.Clear()
	if report == nil && err == nil {
		return fmt.Errorf("another process refreshes %s at this moment; try again in two minutes", name)
	}
	if report != nil {
		c.print(report)
	}
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", details(err))
	}
	return d.Store.Sweep(ctx, d.Now())
}

// source opens what the services come from.
func (c *importCmd) source() (directory.Source, string, io.Closer, error) {
	name := c.Feed
	if strings.Contains(c.Source, "://") {
		feeds, err := parseFeeds([]string{c.Source}, c.Plain)
		if err != nil {
			return nil, "", nil, errors.New(strings.TrimPrefix(err.Error(), "ADAPTER_FEEDS: "))
		}
		if name == "" {
			name = feeds[0].name
		}
		source, err := feed.Open(c.Source, "", feed.Config{PlainHTTP: c.Plain})
		return source, name, io.NopCloser(nil), named(name, err)
	}
	if c.Source == "-" {
		if name == "" {
			name = "stdin"
		}
		return directory.NewFile(os.Stdin), name, io.NopCloser(nil), named(name, nil)
	}
	if name == "" {
		base := strings.ToLower(c.Source[strings.LastIndexAny(c.Source, `/\`)+1:])
		name = strings.TrimSuffix(base, ".json")
	}
	if err := named(name, nil); err != nil {
		return nil, "", nil, err
	}
	file, err := os.Open(c.Source)
	if err != nil {
		return nil, "", nil, err
	}
	return directory.NewFile(file), name, file, nil
}

func named(name string, err error) error {
	if err == nil && !feedName.MatchString(name) {
		return fmt.Errorf("%q cannot be the name of a feed: give one of a–z, 0–9, dots and hyphens with -feed", name)
	}
	return err
}

// print says how it went, faults first.
func (c *importCmd) print(r *directory.Report) {
	for _, f := range r.Faults[:min(len(r.Faults), c.Faults)] {
		what := "note"
		if f.Left {
			what = "left out"
		}
		fmt.Printf("%-8s  %s  %s  %s\n", what, or(f.Service, "(no id)"), or(f.Path, "-"), f.Words)
	}
	if more := r.LeftOut + r.Notes - min(len(r.Faults), c.Faults); more > 0 && len(r.Faults) > c.Faults {
		fmt.Printf("and more of the kind; -faults %d lists more\n", 10*c.Faults)
	}
	fmt.Printf("%s: %d services read, %d taken over, %d left out, %d withdrawn\n", r.Feed, r.Read, r.Taken, r.LeftOut, r.Withdrawn)
	if !r.Complete && r.Read > 0 {
		fmt.Printf("the feed says that it has %d services and gave %d: what is missing stays as it was\n", r.Total, r.Read)
	}
}

func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

// listCmd finds services.
type listCmd struct {
	directoryFlags
	Need   []string `help:"Codes of needs, such as loneliness."`
	Kind   []string `help:"Codes of activity kinds, such as lunch-club."`
	Day    []string `help:"Days: MO TU WE TH FR SA SU."`
	Near   string   `help:"Postcode sector or district, such as \"LS1 4\"."`
	Within float64  `help:"Kilometres from there." name:"within-km"`
	Free   bool     `help:"Only what is free for everybody."`
	Text   string   `help:"Words that must all occur." name:"text"`
	All    bool     `help:"Also closed and withdrawn services."`
	Count  int      `help:"How many to list." default:"50"`
}

func (c *listCmd) Run() error {
	ctx := context.Background()
	d, s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	search := directory.Search{Needs: c.Need, Kinds: c.Kind, Near: c.Near, WithinKM: c.Within, Free: c.Free, Text: c.Text, MaxPence: -1, Count: max(c.Count, 1)}
	for _, day := range c.Day {
		search.Days = append(search.Days, strings.ToUpper(day))
	}
	if c.All {
		search.Statuses = []string{"active", "inactive", "defunct", "temporarily-closed", directory.StatusWithdrawn}
	}
	list, err := d.Search(ctx, search)
	if err != nil {
		return err
	}
	if list.Near != nil {
		fmt.Printf("from %.4f, %.4f, known by: %s\n", list.Near.Latitude, list.Near.Longitude, list.Near.From)
	}
	tab := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "ID\tNAME\tKINDS\tKM\tWHEN\tSTATE")
	for _, v := range list.Services {
		var kinds, when []string
		for _, k := range v.Kinds {
			kinds = append(kinds, k.Code)
		}
		for _, p := range v.Schedules {
			when = append(when, p.Words)
		}
		km, state := "", v.Status
		if v.DistanceKM != nil {
			km = strconv.FormatFloat(*v.DistanceKM, 'f', 1, 64)
		}
		if v.Stale {
			state += ", stale"
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\n", v.ID, v.Name, strings.Join(kinds, ","), km, strings.Join(when, "; "), state)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	if list.Next != "" {
		fmt.Printf("there are more; -count %d lists more\n", 2*max(c.Count, 1))
	}
	return nil
}

// feedsCmd shows the feeds.
type feedsCmd struct {
	directoryFlags
}

func (c *feedsCmd) Run() error {
	ctx := context.Background()
	d, s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	feeds, err := d.Store.Feeds(ctx)
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "FEED\tSERVICES\tREFRESHED\tDUE\tFAILURES\tPROBLEM")
	for _, f := range feeds {
		refreshed := "never"
		if !f.Refreshed.IsZero() {
			refreshed = f.Refreshed.Format("2006-01-02 15:04")
		}
		fmt.Fprintf(tab, "%s\t%d\t%s\t%s\t%d\t%s\n", f.Name, f.Services, refreshed, f.Due.Format("2006-01-02 15:04"), f.Failures, f.Problem)
	}
	return tab.Flush()
}

// postcodesCmd loads postcode sectors.
type postcodesCmd struct {
	directoryFlags
	File string `arg:"" help:"CSV with a header: postcode or sector (pcds, pcd, postcode, sector), latitude (lat, latitude), longitude (long, lng, longitude). The ONS Postcode Directory is one; it is Crown copyright under the Open Government Licence and does not come with this program."`
}

func (c *postcodesCmd) Run() error {
	file, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer file.Close()
	list, passed, err := readSectors(file)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	ctx := context.Background()
	d, s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	if err := d.Store.SetSectors(ctx, list); err != nil {
		return err
	}
	fmt.Printf("%d postcode sectors are known; %d lines had no postcode or no place\n", len(list), passed)
	return nil
}

// readSectors reads a CSV of postcodes or sectors with their places, and gives the mean
// of each sector, in order. passed counts the lines that say nothing.
func readSectors(r io.Reader) (list []directory.SectorPoint, passed int, err error) {
	lines := csv.NewReader(r)
	lines.ReuseRecord, lines.FieldsPerRecord = true, -1
	header, err := lines.Read()
	if err != nil {
		return nil, 0, err
	}
	column := func(names ...string) int {
		return slices.IndexFunc(header, func(h string) bool {
			return slices.Contains(names, strings.ToLower(strings.Trim(h, "\uFEFF \"")))
		})
	}
	code, lat, long := column("pcds", "pcd", "pcd2", "postcode", "sector", "postcode_sector"), column("lat", "latitude"), column("long", "lng", "lon", "longitude")
	if code < 0 || lat < 0 || long < 0 {
		return nil, 0, errors.New("the header must name a postcode or sector, a latitude and a longitude")
	}
	type sum struct {
		lat, long float64
		n         int
	}
	sums := map[string]*sum{}
	for {
		line, err := lines.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		if len(line) <= max(code, lat, long) {
			passed++
			continue
		}
		_, sector, _ := directory.Postcode(line[code])
		if sector == "" {
			sector, _, _ = directory.Sector(line[code])
		}
		// the ONS writes latitude 99.999999 for no place
		p, ok := directory.ParsePoint(line[lat], line[long])
		if sector == "" || !ok {
			passed++
			continue
		}
		s := sums[sector]
		if s == nil {
			s = &sum{}
			sums[strings.Clone(sector)] = s
		}
		s.lat, s.long, s.n = s.lat+p.Latitude, s.long+p.Longitude, s.n+1
	}
	for sector, s := range sums {
		district, _, _ := strings.Cut(sector, " ")
		list = append(list, directory.SectorPoint{Sector: sector, District: district,
			Point: directory.Point{Latitude: s.lat / float64(s.n), Longitude: s.long / float64(s.n)}})
	}
	slices.SortFunc(list, func(a, b directory.SectorPoint) int { return strings.Compare(a.Sector, b.Sector) })
	return list, passed, nil
}
