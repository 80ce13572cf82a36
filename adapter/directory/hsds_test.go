package directory

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// What a feed may write in several ways means one thing.
func TestReadIsLenient(t *testing.T) {
	v := shipped(t)
	for name, c := range map[string]struct {
		members string
		got     func(s *Service) any
		want    string
	}{
		"status in capitals":     {`"x":1`, func(s *Service) any { return s.Status }, "active"},
		"number as text":         {`"minimum_age":"18"`, func(s *Service) any { return *s.MinimumAge }, "18"},
		"age with decimals":      {`"maximum_age":64.9`, func(s *Service) any { return *s.MaximumAge }, "64"},
		"no age":                 {`"maximum_age":null`, func(s *Service) any { return s.MaximumAge == nil }, "true"},
		"age that is none":       {`"maximum_age":999`, func(s *Service) any { return s.MaximumAge == nil }, "true"},
		"infinite age":           {`"maximum_age":"Infinity"`, func(s *Service) any { return s.MaximumAge == nil }, "true"},
		"date and time":          {`"assured_date":"2026-02-17T09:30:00Z"`, func(s *Service) any { return s.Assured }, "2026-02-17"},
		"date that is none":      {`"assured_date":"17/02/2026"`, func(s *Service) any { return s.Assured }, ""},
		"31 February":            {`"assured_date":"2026-02-31"`, func(s *Service) any { return s.Assured }, ""},
		"days by name":           {`"schedules":[{"byday":"Monday, tues,2WE,-1FR,XX"}]`, func(s *Service) any { return s.Schedules[0].Days }, "[MO TU 2WE -1FR]"},
		"weekly without day":     {`"schedules":[{"freq":"weekly","dtstart":"2026-11-24"}]`, func(s *Service) any { return s.Schedules[0].Days }, "[TU]"},
		"times":                  {`"schedules":[{"byday":"MO","opens_at":"9:30","closes_at":"17:00:00+01:00"}]`, func(s *Service) any { return s.Schedules[0].Opens + s.Schedules[0].Closes }, "09:3017:00"},
		"time that is none":      {`"schedules":[{"byday":"MO","opens_at":"late"}]`, func(s *Service) any { return s.Schedules[0].Opens }, ""},
		"schedule without words": {`"schedules":[{"id":"1"}]`, func(s *Service) any { return len(s.Schedules) }, "0"},
		"markup":                 {`"description":"<p>Come <b>in</b>!</p><script>alert(1)</script><ul><li>Tea &amp; cake</ul>a < b"`, func(s *Service) any { return s.Description }, "Come in !\n\nTea & cake\na < b"},
		"escaped markup":         {`"description":"&lt;script&gt;"`, func(s *Service) any { return s.Description }, "<script>"},
		"control characters":     {`"description":"a\u0000b\u202Ec\td"`, func(s *Service) any { return s.Description }, "abc d"},
		"address of no web":      {`"url":"javascript:alert(1)"`, func(s *Service) any { return s.URL }, ""},
		"address of the web":     {`"url":" https://example.org/a?b=c "`, func(s *Service) any { return s.URL }, "https://example.org/a?b=c"},
		"e-mail":                 {`"email":"mailto:a@example.org"`, func(s *Service) any { return s.Email }, "a@example.org"},
		"no e-mail":              {`"email":"ask at the door"`, func(s *Service) any { return s.Email }, ""},
		"postcode":               {`"service_at_locations":[{"location":{"id":"l","addresses":[{"postal_code":"zz14ab"}]}}]`, func(s *Service) any { return s.Locations[0].Postcode }, "ZZ1 4AB"},
		"place as text":          {`"service_at_locations":[{"location":{"id":"l","latitude":"53.8","longitude":"-1.50"}}]`, func(s *Service) any { return s.Locations[0].Latitude + s.Locations[0].Longitude }, "53.8-1.50"},
		"no place on the globe":  {`"service_at_locations":[{"location":{"id":"l","latitude":100,"longitude":101}}]`, func(s *Service) any { return s.Locations[0].Latitude }, ""},
		"nowhere":                {`"service_at_locations":[{"location":{"id":"l","latitude":0,"longitude":0}}]`, func(s *Service) any { return s.Locations[0].Latitude }, ""},
		"place without id":       {`"service_at_locations":[{"location":{"name":"Hall"}}]`, func(s *Service) any { return s.Locations[0].Source }, "1/0"},
		"schedule of a place":    {`"service_at_locations":[{"location":{"id":"l"},"schedules":[{"byday":"SA"}]}]`, func(s *Service) any { return s.Schedules[0].Place == s.Locations[0].ID }, "true"},
		"term nested":            {`"attributes":[{"taxonomy_term":{"id":"t","name":"Choirs","term_uri":"https://id.example/t/5"}}]`, func(s *Service) any { return fmt.Sprint(s.Terms[0], s.Kinds) + " " + s.KindsFrom }, "{ https://id.example/t/5  Choirs} [arts-creative] taxonomy"},
		"term in the attribute":  {`"attributes":[{"term":"Choirs","taxonomy":"local"}]`, func(s *Service) any { return fmt.Sprint(s.Terms[0], s.Kinds) }, "{local   Choirs} [arts-creative]"},
		"a cost that is none":    {`"cost_options":[{"option":"All","amount":"a tenner"}]`, func(s *Service) any { return s.Costs[0].Amount }, ""},
		"a huge cost":            {`"cost_options":[{"option":"All","amount":1e999999999}]`, func(s *Service) any { return s.Costs[0].Amount }, ""},
		"phones":                 {`"phones":[{"number":"01632 960001","extension":12}],"contacts":[{"name":"A","phones":[{"number":"01632 960002"}]}]`, func(s *Service) any { return s.Phones }, "[01632 960001 ext 12 01632 960002]"},
		"language":               {`"languages":[{"id":"l","code":"PL","name":"Polish"},{"id":"m"}]`, func(s *Service) any { return s.Languages }, "[{pl Polish}]"},
	} {
		s, faults := v.Read("f", []byte(strings.Replace(fields(c.members), `"active"`, `"Active"`, 1)), noon)
		if s == nil {
			t.Errorf("%s: left out: %v", name, faults)
			continue
		}
		if got := fmt.Sprint(c.got(s)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A service that cannot be used is left out, and the fault names the member.
func TestReadLeavesOut(t *testing.T) {
	v := shipped(t)
	for name, c := range map[string][2]string{
		"not UTF-8":           {"{\"id\":\"1\",\"name\":\"caf\xe9\",\"status\":\"active\"}", ""},
		"not JSON":            {`{"id":`, ""},
		"no object":           {`["id"]`, ""},
		"null":                {`null`, ""},
		"two values":          {fields("") + fields(""), ""},
		"no id":               {`{"name":"A","status":"active"}`, "id"},
		"empty id":            {`{"id":" ","name":"A","status":"active"}`, "id"},
		"endless id":          {`{"id":"` + strings.Repeat("1", 300) + `","name":"A","status":"active"}`, "id"},
		"no name":             {`{"id":"1","status":"active"}`, "name"},
		"name of markup":      {`{"id":"1","name":"<br>","status":"active"}`, "name"},
		"name that is a list": {`{"id":"1","name":["A"],"status":"active"}`, "name"},
		"no status":           {`{"id":"1","name":"A"}`, "status"},
		"unknown status":      {`{"id":"1","name":"A","status":"open"}`, "status"},
		"list of texts":       {fields(`"schedules":["MO"]`), "schedules[0]"},
		"no list":             {fields(`"schedules":{"id":"1"}`), "schedules"},
		"object for text":     {fields(`"service_at_locations":[{"location":{"id":"l","addresses":[{"city":{}}]}}]`), "service_at_locations[0].location.addresses[0].city"},
		"list for a number":   {fields(`"cost_options":[{"amount":[]}]`), "cost_options[0].amount"},
		"text for an object":  {fields(`"organization":"Age Friends"`), "organization"},
		"nameless charity":    {fields(`"organization":{"id":"o"}`), "organization.name"},
	} {
		s, faults := v.Read("f", []byte(c[0]), noon)
		if s != nil || len(faults) == 0 || !slices.ContainsFunc(faults, func(f Fault) bool { return f.Path == c[1] && f.Left && f.Words != "" }) {
			t.Errorf("%s: %v, %+v", name, s, faults)
		}
	}
}

// Every kind that the field prescribes is found by words that directories use.
func TestClassify(t *testing.T) {
	v := shipped(t)
	for words, want := range map[string]string{
		"Luncheon Clubs": "lunch-club", "Lunch club for older people": "lunch-club", "Walking Groups": "walking-group", "Gardening and allotments": "gardening",
		"Museums": "museum", "Art galleries": "gallery", "Libraries": "library", "Theatre": "culture", "Heritage & local history": "culture", "Debt advice": "debt-advice",
		"Welfare benefits": "benefits-advice", "Housing advice": "housing-advice", "Homelessness": "housing-advice", "Employment support": "employment-support", "Volunteering opportunities": "volunteering",
		"Befriending services": "befriending", "Arts and crafts": "arts-creative", "Exercise classes": "physical-activity", "Bereavement support": "bereavement-support", "Carers' support": "carer-support",
		"Young carers": "carer-support", "Walk-in clinic": "", "Refuse collection": "", "Museums and art galleries": "museum,gallery", "Dementia café": "long-term-condition",
	} {
		s := &Service{Terms: []Term{{Name: words}}, Name: "Nothing"}
		v.classify(s)
		if got := strings.Join(s.Kinds, ","); got != want {
			t.Errorf("%s: %q, want %q", words, got, want)
		}
		if want != "" && len(s.Needs) == 0 {
			t.Errorf("%s answers no need", words)
		}
	}
	s := &Service{Name: "Tuesday Lunch Club", Terms: []Term{{Name: "Community"}}}
	if v.classify(s); len(s.Kinds) != 1 || s.KindsFrom != "name" {
		t.Errorf("%+v", s)
	}
	covered := map[string]bool{}
	for _, raw := range millbrook(t) {
		s, faults := v.Read("millbrook", raw, noon)
		if s == nil || len(faults) > 0 {
			t.Fatalf("%s: %v", raw, faults)
		}
		for _, k := range s.Kinds {
			covered[k] = true
		}
	}
	for _, k := range []string{"lunch-club", "walking-group", "gardening", "museum", "gallery", "library", "culture", "debt-advice", "benefits-advice", "housing-advice",
		"employment-support", "volunteering", "befriending", "arts-creative", "physical-activity", "bereavement-support", "carer-support"} {
		if !covered[k] {
			t.Errorf("Millbrook has no %s", k)
		}
	}
}

// What is denied is no promise.
func TestAccessibility(t *testing.T) {
	v := shipped(t)
	for text, want := range map[string]string{
		"Wheelchair accessible, hearing loop.":              "wheelchair,hearing-loop",
		"Not wheelchair accessible. Ramp at the side door.": "step-free",
		"There is no lift and no accessible toilet":         "",
		"No steps": "step-free",
		"The building isn't suitable for wheelchair users":    "",
		"Without parking. Disabled parking in Mill Lane":      "accessible-parking",
		"Wheelchair accessible toilet":                        "accessible-toilet",
		"BSL interpreters; guide dogs welcome; quiet room":    "sign-language,assistance-dog,quiet-space",
		"No dogs, except assistance dogs":                     "assistance-dog",
		"An induction loop and blue badge bays are available": "hearing-loop,accessible-parking",
	} {
		if got := strings.Join(v.access.in(text, true), ","); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestScheduleWords(t *testing.T) {
	for want, s := range map[string]Schedule{
		"every Monday and Wednesday, 10:00 to 12:00":      {Frequency: "WEEKLY", Days: []string{"MO", "WE"}, Opens: "10:00", Closes: "12:00"},
		"second Tuesday of the month, from 14:00":         {Frequency: "MONTHLY", Days: []string{"2TU"}, Opens: "14:00"},
		"last Friday of the month":                        {Frequency: "MONTHLY", Days: []string{"-1FR"}},
		"Thursday, every 2 weeks, last on 2026-12-31":     {Frequency: "WEEKLY", Interval: 2, Days: []string{"TH"}, To: "2026-12-31"},
		"day 1, day 2 from the end of the month (by bus)": {Frequency: "MONTHLY", MonthDays: []int{1, -2}, Description: "by bus"},
		"when it rains": {Description: "when it rains"},
		"":              {},
	} {
		if got := s.Words(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestPence(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "0.00": 0, "3.5": 350, "3.501": 351, "1e2": 10000, "1000000": 100000000, "-1": -1, "1e9": -1, "1e999999999": -1, "free": -1, "": -1,
		strings.Repeat("9", 100): -1} {
		got, ok := Pence(text)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestSector(t *testing.T) {
	for text, want := range map[string]string{"LS1 4": "LS1 4|LS1", "ls1  4": "LS1 4|LS1", "LS14": "|LS14", "EC1A 1": "EC1A 1|EC1A", "W1A": "|W1A", "LS1 4AB": "", "LS14AB": "", "": "", "Leeds": "", "L": "", "LS1-4": ""} {
		sector, district, err := Sector(text)
		got := sector + "|" + district
		if err != nil {
			got = ""
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestMetres(t *testing.T) {
	for _, c := range []struct {
		a, b Point
		km   float64
	}{
		{Point{51.5007, -0.1246}, Point{51.5007, -0.1246}, 0},
		{Point{51.5074, -0.1278}, Point{53.4808, -2.2426}, 262}, // London to Manchester
		{Point{0, 0}, Point{0, 180}, 20015},
	} {
		if got := Metres(c.a, c.b) / 1000; got < c.km*0.995-0.001 || got > c.km*1.005+0.001 {
			t.Errorf("%v to %v: %f km, want %f", c.a, c.b, got, c.km)
		}
	}
}

// The warning holds from the day after the limit on, and its words name the date.
func TestStale(t *testing.T) {
	const limit = 180 * 24 * 3600e9
	for name, c := range map[string]struct {
		s     Service
		stale bool
		words string
	}{
		"just checked":     {Service{Assured: "2026-11-20"}, false, ""},
		"checked long ago": {Service{Assured: "2026-01-02", Modified: "2026-11-01"}, true, "last checked on 2026-01-02, 325 days ago"},
		"never checked":    {Service{Modified: "2026-11-01"}, false, ""},
		"changed long ago": {Service{Modified: "2020-11-01"}, true, "never said to be checked, and last changed on 2020-11-01"},
		"says nothing":     {Service{}, true, "does not say"},
		"from the future":  {Service{Assured: "2030-01-01"}, true, "does not say"},
		"the limit":        {Service{Assured: "2026-05-28"}, false, ""},
		"past the limit":   {Service{Assured: "2026-05-26"}, true, "2026-05-26"},
	} {
		stale, words := c.s.Stale(noon, limit)
		if stale != c.stale || !strings.Contains(words, c.words) {
			t.Errorf("%s: %v %q", name, stale, words)
		}
	}
}

// FuzzRead: whatever a feed says, the reader comes back, and what it takes over is clean
// text that can be rendered, indexed and read again.
func FuzzRead(f *testing.F) {
	v := shipped(f)
	d := New(Config{Vocabulary: v})
	for _, raw := range millbrook(f) {
		f.Add([]byte(raw))
	}
	f.Add([]byte(fields(`"description":"<!--","schedules":[{"byday":"-1FR,","opens_at":"T"}],"cost_options":[{"amount":1e-99}]`)))
	f.Add([]byte(`{"total_items":1,"contents":[` + fields("") + `]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := ReadPage(raw); err == nil && p == nil {
			t.Fatal("neither a page nor an error")
		}
		s, faults := v.Read("f", raw, noon)
		if s == nil {
			if len(faults) == 0 {
				t.Fatal("left out without a reason")
			}
			return
		}
		if s.Name == "" || s.Source == "" || !utf8.ValidString(s.Name+s.Description) || strings.ContainsRune(s.Name+s.Description, 0) {
			t.Fatalf("%+v", s)
		}
		for _, e := range v.entries(s, noon, noon) {
			checkRendering(t, d, e)
			again, err := v.revive(e, noon, noon)
			if err != nil || again.Digest != e.Digest {
				t.Fatalf("%s is not the same when read again: %v", e.Body, err)
			}
		}
	})
}
