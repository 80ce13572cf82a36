package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// Route is one method of one address that a handler takes, as the router writes it:
// "/fhir/R4/Patient/:id".
type Route struct {
	Method, Path string
}

// Routes lists what a handler of New takes, by path and method; nil for another handler. A
// test asks it, so that no route goes without a rule.
func Routes(h http.Handler) []Route {
	engine, ok := h.(*gin.Engine)
	if !ok {
		return nil
	}
	var list []Route
	for _, r := range engine.Routes() {
		list = append(list, Route{r.Method, r.Path})
	}
	slices.SortFunc(list, func(a, b Route) int { return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method) })
	return list
}
