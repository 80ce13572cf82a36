package gateway

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"spadapter/adapter/referral"
)

// The document has every filter of the worklist and no other, and what it allows as a value
// is what the worklist takes.
func TestOpenAPIHasTheFilters(t *testing.T) {
	root := documentTree(t)
	codes := (&exchange{gateway: complete(t), call: referral.Call{Principal: tokens["lw"]}}).codesOf
	described, coded := map[string]bool{}, 0
	parameters, _ := root.at("paths", "/api/v1/referrals", "get").values["parameters"].([]any)
	for _, one := range parameters {
		p := one.(*ordered)
		if name, is := strings.CutPrefix(p.text("$ref"), "#/components/parameters/"); is {
			p = root.at("components", "parameters", name)
		}
		if p.text("in") != "query" {
			continue
		}
		name, schema := p.text("name"), p.at("schema")
		described[name] = true
		if schema.text("type") == "array" {
			schema = schema.at("items")
		}
		values, _ := schema.values["enum"].([]any)
		if schema.text("type") == "boolean" {
			values = []any{"true", "false"}
		}
		if len(values) == 0 {
			continue
		}
		coded++
		for _, value := range values {
			if _, err := parseFilter([]parameter{{name: name, value: value.(string)}}, codes); err != nil {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
		if _, err := parseFilter([]parameter{{name: name, value: "elsewhere"}}, codes); err == nil {
			t.Errorf("%s takes what the document does not have", name)
		}
	}
	for _, known := range filterParameters {
		if !described[known.name] {
			t.Errorf("the filter %s is not in the document", known.name)
		}
	}
	if len(described) != len(filterParameters) || coded != 9 {
		t.Errorf("%d filters are described, %d with their values; there are %d", len(described), coded, len(filterParameters))
	}
}

// Every parameter that the document has is one that its route takes, with its example.
func TestOpenAPIParametersAreTaken(t *testing.T) {
	w := withFeed(t, &testFeeds{last: 50, oldest: 1}, func(c *Config) {
		c.Operations.Ledger = func(context.Context, referral.Call, referral.LedgerQuery) (*referral.Ledger, error) {
			return &referral.Ledger{AsOf: noon, Counts: []referral.LedgerCount{}, Overdue: []referral.LedgerEntry{}, Undelivered: []referral.LedgerOutcome{}}, nil
		}
		c.Operations.Webhooks = func(context.Context, referral.Call, string, referral.Page) ([]referral.Webhook, string, error) {
			return nil, "", nil
		}
		c.Operations.Notices = func(context.Context, referral.Call, string, referral.DeliveryState, referral.Page) ([]referral.Notice, string, error) {
			return nil, "", nil
		}
	})
	root := complete(t).OpenAPI.root
	count := 0
	for _, path := range root.at("paths").names {
		parameters, _ := root.at("paths", path, "get").orEmpty().values["parameters"].([]any)
		for _, one := range parameters {
			p := one.(*ordered)
			if name, is := strings.CutPrefix(p.text("$ref"), "#/components/parameters/"); is {
				p = root.at("components", "parameters", name)
			}
			if p.text("in") != "query" {
				continue
			}
			count++
			given := parameter{name: p.text("name"), value: "x"}
			if examples, _ := p.at("schema").values["examples"].([]any); len(examples) > 0 {
				given.value = strings.NewReplacer(`"`, "", "[", "", "]", "").Replace(string(jsonOf(t, examples[0])))
			} else if p.at("schema").text("type") == "integer" {
				given.value = "5"
			}
			if path == "/api/v1/services" {
				query := []parameter{given}
				if given.name == "within_km" {
					query = append(query, parameter{name: "near", value: "ZZ99"})
				}
				if _, err := parseServices(query); err != nil {
					t.Errorf("%s?%s=%s: %v", path, given.name, given.value, err)
				}
				continue
			}
			rec := w.do("GET", strings.Replace(path, "{id}", "1", 1)+"?"+given.name+"="+url.QueryEscape(given.value), "", "as lw")
			wants(t, rec, 200, "")
		}
	}
	if count < 30 {
		t.Errorf("only %d parameters", count)
	}
}
