package fhirpath

import (
	"encoding/json"
	"testing"
)

// BenchmarkTest: invariants as the intake runs them; none may allocate.
func BenchmarkTest(b *testing.B) {
	root := parsed(b, bundle)
	sr := root.All("entry")[1].Child("resource")
	for _, src := range []string{
		"orderDetail.empty() or code.exists()",
		"subject.reference.exists() and (status = 'draft').not()",
		"dataAbsentReason.empty() or value.empty()",
		"code.coding.where(system = %sct and code = '871731000000106').exists()",
		"status in ('active' | 'completed')",
		"authoredOn <= @2026-02-04",
	} {
		e := MustCompile(src)
		b.Run(src, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Test(Context{}, sr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCompile: once for each invariant and each expression of a map.
func BenchmarkCompile(b *testing.B) {
	bundleType := parsed(b, bundle).Type
	for _, src := range []string{
		"type",
		"entry.resource.ofType(ServiceRequest).where(status = 'active' and intent = 'order').subject.resolve()",
		"entry.all(fullUrl.exists()) and entry.select(fullUrl & resource.meta.versionId).isDistinct()",
	} {
		b.Run(src, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(src, Type(bundleType)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEval: expressions of a map on a small Bundle, beside what encoding/json
// takes to decode the same document.
func BenchmarkEval(b *testing.B) {
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v any
			if err := json.Unmarshal([]byte(bundle), &v); err != nil {
				b.Fatal(err)
			}
		}
	})
	root := parsed(b, bundle)
	for _, src := range []string{
		"entry.resource.ofType(Patient).name.where(use = 'official').given.join(' ')",
		"entry.resource.ofType(ServiceRequest).subject.resolve().birthDate",
		"entry.all(fullUrl.exists()) and entry.select(fullUrl & resource.meta.versionId).isDistinct()",
		"entry.resource.ofType(Observation).value.ofType(Quantity) > 10 '{score}'",
		"descendants().where($this is Coding).code",
		"entry.resource.component.value.ofType(integer).aggregate($total + $this, 0)",
	} {
		e := MustCompile(src)
		b.Run(src, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Eval(Context{}, root); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
