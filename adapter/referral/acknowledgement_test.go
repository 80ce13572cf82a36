package referral

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"spadapter/adapter/issue"
)

func ack(code string, negative bool) Acknowledgement {
	return Acknowledgement{ID: code, Kind: KindOfResponse(code), Code: code, Negative: negative}
}

func TestSettle(t *testing.T) {
	good, known := ack("20013", false), ack("30001", false)
	for name, c := range map[string]struct {
		list []Acknowledgement
		want DeliveryState
		code string
	}{
		"nothing":                        {nil, DeliveryAwaiting, ""},
		"read":                           {[]Acknowledgement{good}, DeliveryAwaiting, ""},
		"known":                          {[]Acknowledgement{known}, DeliveryAwaiting, ""},
		"both":                           {[]Acknowledgement{good, known}, DeliveryDelivered, ""},
		"read, and not known":            {[]Acknowledgement{good, ack("30002", true)}, DeliveryDead, "30002"},
		"read, known and not known":      {[]Acknowledgement{good, known, ack("30002", false)}, DeliveryDead, "30002"},
		"not read":                       {[]Acknowledgement{ack("10009", true)}, DeliveryDead, "10009"},
		"not read, and known":            {[]Acknowledgement{ack("20009", true), known}, DeliveryDead, "20009"},
		"moved away":                     {[]Acknowledgement{good, ack("30003", false)}, DeliveryDead, "30003"},
		"dead":                           {[]Acknowledgement{good, ack("30004", false)}, DeliveryDead, "30004"},
		"rejected":                       {[]Acknowledgement{good, ack("30017", false)}, DeliveryDead, "30017"},
		"completed":                      {[]Acknowledgement{good, ack("30006", false)}, DeliveryDelivered, ""},
		"came before":                    {[]Acknowledgement{ack("20007", true)}, DeliveryAwaiting, ""},
		"came before, and both":          {[]Acknowledgement{ack("20007", true), good, known}, DeliveryDelivered, ""},
		"a good code that is negative":   {[]Acknowledgement{ack("20013", true), known}, DeliveryDead, "20013"},
		"a code of registration":         {[]Acknowledgement{good, ack("30020", false)}, DeliveryAwaiting, ""},
		"an unknown one that is wrong":   {[]Acknowledgement{good, known, ack("20099", true)}, DeliveryDead, "20099"},
		"what cannot be read":            {[]Acknowledgement{{ID: "x", Kind: AcknowledgesUnknown, Negative: true}}, DeliveryAwaiting, ""},
		"a report":                       {[]Acknowledgement{{ID: "x", Kind: AcknowledgesNothing, Code: "14"}}, DeliveryDead, "14"},
		"a report after everything else": {[]Acknowledgement{good, known, {ID: "x", Kind: AcknowledgesNothing, Code: "14"}}, DeliveryDead, "14"},
	} {
		s := Settle(c.list)
		if s.State != c.want || s.Code != c.code || s.Said == "" || (s.State == DeliveryDead) != s.Issue.Valid() {
			t.Errorf("%s: %+v", name, s)
		}
		over := s.Overdue()
		if over.State != DeliveryDead || over.Issue != issue.Timeout || over.Said == "" {
			t.Errorf("%s, overdue: %+v", name, over)
		}
	}
}

// What acknowledgements mean depends neither on their order nor on how often each came, and
// one that refuses is never outweighed (R16, R17).
func TestSettleHasNoOrder(t *testing.T) {
	codes := []string{"20013", "30001", "20007", "30002", "30003", "30006", "30017", "10009", "20099", "30020", "x"}
	rapid.Check(t, func(t *rapid.T) {
		var list []Acknowledgement
		for _, code := range rapid.SliceOfN(rapid.SampledFrom(codes), 0, 6).Draw(t, "codes") {
			list = append(list, ack(code, rapid.Bool().Draw(t, "negative")))
		}
		want := Settle(list)
		twice := append(slices.Clone(list), list...)
		if got := Settle(rapid.Permutation(twice).Draw(t, "order")); got != want {
			t.Fatalf("%+v, and in another order %+v", want, got)
		}
		refused := slices.ContainsFunc(list, func(a Acknowledgement) bool { return ResponseOf(a).Effect == EffectRefused })
		if refused != (want.State == DeliveryDead) {
			t.Fatalf("%v give %+v", list, want)
		}
		if want.State == DeliveryDelivered && !slices.ContainsFunc(list, func(a Acknowledgement) bool { return a.Code == "20013" && !a.Negative }) {
			t.Fatalf("delivered without an infrastructure acknowledgement: %v", list)
		}
	})
}

// Every published code has a meaning in words, and each range is of one kind.
func TestResponseCodes(t *testing.T) {
	for code, r := range responses {
		kind := KindOfResponse(code)
		if r.Code != code || r.Words == "" || (r.Effect == EffectRefused) != r.Issue.Valid() || r.Effect == EffectNone || kind == AcknowledgesUnknown || (code >= "30000") != (kind == AcknowledgesContent) {
			t.Errorf("%s: %+v, %s", code, r, kind)
		}
	}
	if len(responses) != 9+15+18 {
		t.Errorf("%d codes", len(responses))
	}
	for _, code := range []string{"", "2001", "200131", "40001", "abcde"} {
		if k := KindOfResponse(code); k != AcknowledgesUnknown {
			t.Errorf("%q is %s", code, k)
		}
	}
}
