package store

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"spadapter/adapter/issue"
	"spadapter/adapter/referral"
)

// prepared is a Change taken apart: what it demands, what it updates and the rows it
// inserts. The caller of Commit makes it, so that the committer only has to write.
type prepared struct {
	organisation string
	keys         []referral.Key
	stored       []key       // their ids
	hidden       map[key]key // ids in the clear → the masked ones of stored, of keys that name a person
	response     *referral.Response
	builds       []build          // the versions it builds on
	people       []string         // Patients of its new referrals that it does not bring: they must not be removed meanwhile
	record       *referral.Record // a new state of a referral that exists
	supersedes   []string         // deliveries
	cancels      []referral.Cancellation
	timer        *referral.Timer
	registered   []referral.Registration
	held         *referral.Held // and as text
	holding      string
	endangers    bool
	activities   []referral.Activity // new states of sub-Tasks that exist
	rows         batch
	size         int  // bytes of bodies
	sends        bool // it gives the queue something
	tells        bool // it has events that wait for their numbers
}

// build is a version that must be current for the next one to be written.
type build struct {
	id     string
	number int
}

// prepare takes c apart. Errors: exception for a Change that no caller should make.
func prepare(c *referral.Change, keys *DataKeys) (*prepared, error) {
	p := &prepared{organisation: c.Organisation, response: c.Response}
	at := milli(c.At)
	message := ""
	if m := c.Message; m != nil {
		message = orNew(m.ID)
		p.size += len(m.Body)
		p.rows.add(tableMessage, message, c.Organisation, at, m.Client, m.Dialect, clean(m.ContentType), m.SHA256, bytes(m.Body), subjectOf(c))
	}
	p.prepareKeys(c, at, keys)
	if err := p.prepareVersions(c); err != nil {
		return nil, err
	}
	if err := p.prepareReferral(c, message); err != nil {
		return nil, err
	}
	for i := range c.Events {
		e := &c.Events[i]
		p.rows.add(tableEvent, orNew(e.ID), e.Referral, or(e.Organisation, c.Organisation), e.Move, e.From, e.To,
			e.BusinessStatus, e.Reason, e.Actor, string(e.Role), milli(orTime(e.At, c.At)), string(e.Data), e.Activity)
		if e.Public != nil {
			audiences, body := strings.Join(e.Audiences, " "), string(e.Public)
			if e.Aside != nil { // one row, so that both are numbered in one pass
				audiences, body = audiences+" "+asideMark+e.AsideTo, body+"\n"+string(e.Aside)
			}
			p.rows.add(tableWaiting, audiences, body)
			p.tells = true
		}
	}
	for i := range c.Audits {
		p.rows.addAudit(&c.Audits[i], c.At)
	}
	if err := p.prepareDeliveries(c); err != nil {
		return nil, err
	}
	if p.held != nil {
		text, err := json.Marshal(holding{p.held.Facts, p.held.Said})
		if err != nil {
			return nil, issue.New(issue.Exception, "store-change", "the origin of facts cannot be written").Because(err)
		}
		p.holding = string(text)
	}
	return p, keys.seal(&p.rows)
}

func (p *prepared) prepareKeys(c *referral.Change, at int64, keys *DataKeys) {
	response := ""
	if r := c.Response; r != nil && len(c.Keys) > 0 {
		response = newID()
		p.size += len(r.Body)
		p.rows.add(tableResponse, response, c.Organisation, at, int64(r.Status), r.ContentType, r.Location, r.ETag, bytes(r.Body), subjectOf(c))
	}
	for _, k := range c.Keys {
		stored := keys.keyOf(k, &p.hidden)
		if slices.Contains(p.stored, stored) {
			continue // the same thing said twice, as a request id that is also the idempotency key
		}
		p.keys, p.stored = append(p.keys, k), append(p.stored, stored)
		answer := response
		if k.Kind == referral.KeyPatient || k.Kind == referral.KeyConditional || k.Kind == referral.KeySuccessor {
			answer = ""
		}
		p.rows.add(tableKey, string(stored), string(k.Kind), clean(k.Scope), clean(k.Value), c.Organisation, at, k.Hash, answer, aboutKey(c, k))
	}
}

// subjectOf is what the message and the answer of a change go with: a referral, or a Patient
// where there is none; "" for what is about no person.
func subjectOf(c *referral.Change) string {
	if c.Referral != nil {
		return c.Referral.ID
	}
	patient := ""
	for i := range c.Versions {
		if v := &c.Versions[i]; v.Referral != "" && v.Patient != "" {
			return v.Referral
		} else if patient == "" {
			patient = v.Patient
		}
	}
	return patient
}

// aboutKey is what a key goes with: one that names a resource, with that resource.
func aboutKey(c *referral.Change, k referral.Key) string {
	switch k.Kind {
	case referral.KeyPatient:
		return k.Hash
	case referral.KeyConditional:
		for i := range c.Versions {
			if v := &c.Versions[i]; v.ID == k.Hash && v.Type == "Patient" {
				return v.ID
			} else if v.ID == k.Hash && v.Patient == "" {
				return ""
			}
		}
	}
	return subjectOf(c)
}

// ends says whether the version at i is the first and whether it is the last of its
// resource in the list.
type ends func(i int) (first, last bool)

// endsOf searches a short list, as nearly every change has one, without a map.
func endsOf(list []referral.Version) ends {
	const short = 32
	if len(list) <= short {
		return func(i int) (first, last bool) {
			same := func(w referral.Version) bool { return w.ID == list[i].ID }
			return !slices.ContainsFunc(list[:i], same), !slices.ContainsFunc(list[i+1:], same)
		}
	}
	begin, end := make(map[string]int, len(list)), make(map[string]int, len(list))
	for i := range list {
		id := list[i].ID
		if _, ok := begin[id]; !ok {
			begin[id] = i
		}
		end[id] = i
	}
	return func(i int) (first, last bool) { return begin[list[i].ID] == i, end[list[i].ID] == i }
}

func (p *prepared) prepareVersions(c *referral.Change) error {
	ends := endsOf(c.Versions)
	for i := range c.Versions {
		v := &c.Versions[i]
		if v.ID == "" || v.Type == "" || v.Number < 1 {
			return issue.New(issue.Exception, "store-change", "a version needs a type, an id and a number from 1")
		}
		first, current := ends(i)
		if v.Number > 1 && first {
			p.builds = append(p.builds, build{v.ID, v.Number - 1})
		}
		organisation := or(v.Organisation, c.Organisation)
		since, until := bounds(v.From, v.To)
		p.size += len(v.Body)
		p.rows.add(tableResource, v.ID, int64(v.Number), v.Type, organisation, milli(orTime(v.Updated, c.At)), flag(current),
			flag(v.Deleted), flag(v.Hidden), v.Referral, v.Patient, since, until, string(v.Body))
		if !current || v.Deleted || v.Hidden {
			continue
		}
		for _, t := range v.Terms {
			p.rows.add(tableTerm, v.ID, v.Type, t.Param, short(t.System), short(t.Value), organisation)
		}
	}
	return nil
}

func (p *prepared) prepareReferral(c *referral.Change, message string) error {
	p.cancels, p.timer, p.registered, p.endangers, p.held = c.Cancels, c.Timer, c.Registered, c.Endangers, c.Held
	for i, r := range []*referral.Record{c.Referral, c.Successor} {
		switch {
		case r == nil:
			continue
		case r.ID == "" || r.Version < 1 || i == 1 && r.Version != 1:
			return issue.New(issue.Exception, "store-change", "a referral needs an id and a version from 1")
		case r.Version > 1:
			copied := *r
			copied.Updated = orTime(r.Updated, c.At)
			p.record = &copied
			continue
		}
		p.addReferral(r, c, message)
		if !slices.ContainsFunc(c.Versions, func(v referral.Version) bool { return v.ID == r.Patient && v.Number == 1 }) {
			p.people = append(p.people, r.Patient)
		}
	}
	for i := range c.Activities {
		a := c.Activities[i]
		if a.Version > 1 {
			p.activities = append(p.activities, a)
			continue
		}
		p.rows.add(tableActivity, a.ID, a.Referral, or(a.Organisation, c.Organisation), a.Owner, a.Name, int64(a.Version), a.Status,
			flag(open(a.Status)), a.BusinessStatus, int64(a.Sessions), milli(orTime(a.Created, c.At)), milli(orTime(a.Updated, c.At)))
	}
	return nil
}

func (p *prepared) addReferral(r *referral.Record, c *referral.Change, message string) {
	organisation := or(r.Organisation, c.Organisation)
	created := orTime(r.Created, c.At)
	updated := orTime(r.Updated, created)
	p.rows.add(tableReferral, r.ID, organisation, r.Owner, r.Pool, int64(r.Version), r.Status, flag(open(r.Status)),
		r.BusinessStatus, r.Patient, r.ServiceRequest, r.Filler, r.Sharing, r.Dialect, int64(r.Attempts),
		milli(created), milli(updated), message, r.Former, r.Follows, r.Root, r.Unfiled, milli(orTime(r.Since, updated)), milli(r.Due), flag(r.Overdue), milli(r.Remind),
		r.Priority, flag(r.Risk), flag(r.RiskTold), r.Registered, deadline(r), int64(1))
	p.rows.addNeeds(r.Needs, milli(created), r.ID, organisation)
	p.rows.add(tableContent, r.ID, organisation, string(r.Content))
	p.size += len(r.Content)
}

// deadline is when the time for the state is over, and never when none counts.
func deadline(r *referral.Record) int64 {
	if r.Due.IsZero() {
		return never
	}
	return milli(r.Due)
}

func (b *batch) addNeeds(codes []string, created int64, id, organisation string) {
	for i, code := range codes {
		if code != "" && !slices.Contains(codes[:i], code) {
			b.add(tableNeed, short(code), created, id, organisation)
		}
	}
}

func (p *prepared) prepareDeliveries(c *referral.Change) error {
	for i := range c.Deliveries {
		d := c.Deliveries[i]
		d.ID, d.Organisation = orNew(d.ID), or(d.Organisation, c.Organisation)
		d.Created, d.Due = orTime(d.Created, c.At), orTime(d.Due, c.At)
		if d.Supersedes != "" {
			if slices.Contains(p.supersedes, d.Supersedes) {
				return issue.New(issue.Exception, "store-change", "two deliveries supersede the same one")
			}
			p.supersedes = append(p.supersedes, d.Supersedes)
		}
		if err := p.rows.addDelivery(&d, i); err != nil {
			return err
		}
		p.size += len(d.Body)
		p.sends = true
	}
	return nil
}

// Where two columns are in a row of delivery.
const (
	placeIn      = 4
	supersedesIn = 20
)

// addDelivery adds a queued row. index tells rows of one commit apart in the order to
// send.
func (b *batch) addDelivery(d *referral.Delivery, index int) error {
	facts, err := json.Marshal(d.Facts)
	if err != nil {
		return issue.New(issue.Exception, "store-change", "the facts of a delivery cannot be written").Because(err)
	}
	place := d.Place
	if place == 0 {
		place = d.Created.UnixMilli()*1000 + int64(min(index, 999))
	}
	b.add(tableDelivery, d.ID, d.Organisation, d.Referral, d.Recipient, place, string(referral.DeliveryQueued), int64(1), milli(d.Due),
		"", int64(0), "", d.Move, d.Kind, d.Route, d.ContentType, string(facts), milli(d.Due), milli(d.Expires), milli(d.Created),
		d.ReplayOf, d.Supersedes, bytes(d.Body))
	return nil
}

func open(status string) bool { return !referral.Terminal(status) }

// bounds gives the stored range of dates: from since, inclusive, to until, exclusive.
// A missing end is open; a range without length is one millisecond long.
func bounds(from, to time.Time) (since, until any) {
	switch {
	case from.IsZero() && to.IsZero():
		return nil, nil
	case from.IsZero():
		return int64(farPast), to.UnixMilli()
	case to.IsZero():
		return from.UnixMilli(), int64(farFuture)
	}
	return from.UnixMilli(), max(to.UnixMilli(), from.UnixMilli()+1)
}

func orNew(id string) string {
	if id == "" {
		return newID()
	}
	return id
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func orTime(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

// bytes keeps an empty body apart from a missing one: the columns are NOT NULL.
func bytes(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
