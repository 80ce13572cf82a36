package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"spadapter/adapter/fhir"
	"spadapter/adapter/gateway"
)

// bars is what is offered of BaRS, nil where no service is named.
func (c *Config) bars(definitions []*fhir.Node) *gateway.BaRS {
	services := listed(c.BarsServices)
	if len(services) == 0 {
		return nil
	}
	return &gateway.BaRS{
		Services: services, UseCases: listed(c.BarsUseCases), Versions: listed(c.BarsVersions),
		NumberRequired: c.BarsNumberRequired, UpdateActive: c.BarsUpdateActive, Definitions: definitions,
	}
}

// barsVersionText is what ADAPTER_BARS_VERSIONS names.
var barsVersionText = regexp.MustCompile(`^[0-9]{1,4}(\.[0-9]{1,4}){0,2}$`)

// checkBars refuses settings of BaRS that would take nothing.
func (c *Config) checkBars() error {
	if len(listed(c.BarsServices)) == 0 {
		return nil
	}
	versions := listed(c.BarsVersions)
	if len(listed(c.BarsUseCases)) == 0 || len(versions) == 0 || slices.ContainsFunc(versions, func(v string) bool { return !barsVersionText.MatchString(v) }) {
		return errors.New("with ADAPTER_BARS_SERVICES, ADAPTER_BARS_USE_CASES names at least one use case and ADAPTER_BARS_VERSIONS at least one version such as 1 or 1.1")
	}
	return nil
}

// listed is a list of a setting without blanks and empty places.
func listed(of []string) []string {
	var out []string
	for _, s := range of {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}
