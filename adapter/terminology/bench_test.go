package terminology

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"testing/fstest"
)

// large is a release with n concepts and one preferred and one full name of each, in a
// tree where every concept has up to ten children, and a reference set of every eighth.
func large(n int) fstest.MapFS {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = made(1000+i, partitionConcept)
	}
	var concepts, terms, relations, members bytes.Buffer
	fmt.Fprintf(&concepts, "%s\r\n", conceptTable.columns)
	fmt.Fprintf(&terms, "%s\r\n", descriptionTable.columns)
	fmt.Fprintf(&relations, "%s\r\n", relationshipTable.columns)
	fmt.Fprintf(&members, "%s\r\n", simpleTable.columns)
	fmt.Fprintf(&concepts, "%s\t%s\t1\t%s\t%d\r\n", root, day, module, statusPrimitive)
	for i, id := range ids {
		fmt.Fprintf(&concepts, "%s\t%s\t1\t%s\t%d\r\n", id, day, module, statusPrimitive)
		fmt.Fprintf(&terms, "%s\t%s\t1\t%s\t%s\ten\t%d\tMade-up finding number %d of the release (finding)\t900000000000448009\r\n", made(1000+2*i, 1), day, module, id, typeFSN, i)
		fmt.Fprintf(&terms, "%s\t%s\t1\t%s\t%s\ten\t%d\tMade-up finding number %d\t900000000000448009\r\n", made(1001+2*i, 1), day, module, id, typeSynonym, i)
		parent := root
		if i > 0 {
			parent = ids[(i-1)/10]
		}
		fmt.Fprintf(&relations, "%s\t%s\t1\t%s\t%s\t%s\t0\t%d\t900000000000011006\t900000000000451002\r\n", made(1000+i, 2), day, module, id, parent, conceptIsA)
		if i%8 == 0 {
			fmt.Fprintf(&members, "%s\t%s\t1\t%s\t%s\t%s\r\n", member0, day, module, refset, id)
		}
	}
	return fstest.MapFS{
		"sct2_Concept_Snapshot_XX_20260301.txt":        {Data: concepts.Bytes()},
		"sct2_Description_Snapshot-en_XX_20260301.txt": {Data: terms.Bytes()},
		"sct2_Relationship_Snapshot_XX_20260301.txt":   {Data: relations.Bytes()},
		"der2_Refset_SimpleSnapshot_XX_20260301.txt":   {Data: members.Bytes()},
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkRF2 reads a million rows of each form, and says what stays in memory.
func BenchmarkRF2(b *testing.B) {
	files := large(1_000_000)
	for name, file := range files {
		if name != "sct2_Description_Snapshot-en_XX_20260301.txt" {
			b.Run(name[5:16], func(b *testing.B) { benchmarkLoad(b, fstest.MapFS{name: file}) })
		}
	}
	half := files["sct2_Description_Snapshot-en_XX_20260301.txt"].Data
	cut := len(half)/2 + bytes.IndexByte(half[len(half)/2:], '\n') + 1
	b.Run("Description", func(b *testing.B) {
		benchmarkLoad(b, fstest.MapFS{"sct2_Description_Snapshot-en_XX_20260301.txt": {Data: half[:cut]}})
	})
	b.Run("whole", func(b *testing.B) { benchmarkLoad(b, files) })
}

func benchmarkLoad(b *testing.B, files fstest.MapFS) {
	size := 0
	for _, f := range files {
		size += len(f.Data)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		before := heap()
		r, list, err := (*Registry)(nil).WithFolder(Folder{FS: files})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		rows := 0
		for _, f := range list {
			rows += f.Rows
		}
		b.ReportMetric(float64(rows), "rows")
		b.ReportMetric(float64(heap()-before)/1e6, "MB-kept")
		runtime.KeepAlive(r)
		b.StartTimer()
	}
}

func BenchmarkSNOMED(b *testing.B) {
	const n = 100_000
	r := brought(b, large(n))
	last := made(1000+n-1, partitionConcept)
	top := made(1000, partitionConcept)
	in := slices.Clone([]string{Refset(refset), SNOMED + "?fhir_vs=isa/" + top, SNOMED + "?fhir_vs=ecl/<<" + top + " MINUS ^" + refset})
	for i, name := range []string{"refset", "isa", "ecl"} {
		b.Run("ValidateCode/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, known := r.ValidateCode(in[i], SNOMED, last); !known {
					b.Fatal("unknown")
				}
			}
		})
	}
	b.Run("Lookup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Lookup(SNOMED, last)
		}
	})
	for _, count := range []int{1000, 10_000} {
		b.Run("List/"+strconv.Itoa(count)+" of 12500", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if list, err := r.List(b.Context(), Wanted{ValueSet: Refset(refset), Count: count}); err != nil || len(list.Members) != count {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("List/filter 125000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.List(b.Context(), Wanted{ValueSet: SNOMED + "?fhir_vs", Text: "finding 99999", Count: 10}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestMembershipCostsNoAllocation: it is asked for every coded element of every message.
func TestMembershipCostsNoAllocation(t *testing.T) {
	r := brought(t, tree())
	set, code := Refset(refset), numbered(4)
	below := SNOMED + "?fhir_vs=isa/" + numbered(1)
	for _, set := range []string{set, below} {
		if got := testing.AllocsPerRun(100, func() {
			if ok, _ := r.ValidateCode(set, SNOMED, code); !ok {
				t.Fatal("it is a member")
			}
		}); got > 0 {
			t.Errorf("%s: %v allocations", set, got)
		}
	}
}
