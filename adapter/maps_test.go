package main

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"spadapter/adapter/auth"
	"spadapter/mappings"
)

// ownMaps makes a folder of dialects for a deployment: copies of shipped files, each
// with a text replaced. The keys are paths in the folder, the values "shipped file",
// "old", "new".
func ownMaps(t *testing.T, files map[string][3]string) string {
	t.Helper()
	dir := t.TempDir()
	for path, edit := range files {
		text, err := fs.ReadFile(mappings.FS, edit[0])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), edit[1]) {
			t.Fatalf("%s does not hold %q", edit[0], edit[1])
		}
		to := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(strings.ReplaceAll(string(text), edit[1], edit[2])), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The ConceptMap of needs, with loneliness coded otherwise.
var otherNeed = [3]string{"base/conceptmap-need.json", `"code": "loneliness"`, `"code": "housing"`}

const intakeMap = "ukcore-r4-to-referral/ukcore-r4-to-referral.map"

func needCodes(c caller, task string) (list []string) {
	for _, n := range c.look(task).Needs {
		list = append(list, n.Need)
	}
	return list
}

// A practice codes loneliness in its own way: its own ConceptMap is used for its
// referrals and for nobody else's.
func TestASenderHasMapsOfItsOwn(t *testing.T) {
	w := newWorld(t, "")
	w.config.Maps = ownMaps(t, map[string][3]string{"organisations/" + practiceA + "/base/conceptmap-need.json": otherNeed})
	a := w.run(quiet())
	own := a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
	other := a.as(auth.RoleRequester, practiceB).refer(someone(practiceB).message())
	if got := needCodes(a.as(auth.RoleOwner, service1), own); slices.Contains(got, "loneliness") {
		t.Errorf("the practice's own ConceptMap is not used: %s", got)
	}
	if got := needCodes(a.as(auth.RoleOwner, service2), other); !slices.Contains(got, "loneliness") {
		t.Errorf("another practice's ConceptMap is used: %s", got)
	}
}

// Maps of the deployment hold for everybody.
func TestADeploymentHasMapsOfItsOwn(t *testing.T) {
	w := newWorld(t, "")
	w.config.Maps = ownMaps(t, map[string][3]string{
		intakeMap: {intakeMap, "src.reasonCode as c where (coding.exists() or text.exists()) -> tgt.reasonCode as tc then reason(c, tc);", "src.reasonCode as c -> tgt.reasonCode = c;"},
	})
	a := w.run(quiet())
	task := a.as(auth.RoleRequester, practiceA).refer(someone(practiceA).message())
	for _, need := range needCodes(a.as(auth.RoleOwner, service1), task) {
		if need != "" {
			t.Errorf("the need %s comes of a rule that the deployment's map does not have", need)
		}
	}
}

// A map that does not compile stops the adapter before it listens, with its place.
func TestAFaultyMapStopsTheStart(t *testing.T) {
	for _, field := range []string{"maps", "shadow"} {
		w := newWorld(t, "")
		dir := ownMaps(t, map[string][3]string{intakeMap: {intakeMap, "src.reasonCode as c", "src.reasonKode as c"}})
		if field == "maps" {
			w.config.Maps = dir
		} else {
			w.config.ShadowMaps = dir
		}
		c := w.config
		if err := c.complete(); err != nil {
			t.Fatal(err)
		}
		_, err := newApp(context.Background(), c, quiet())
		if err == nil {
			t.Fatalf("%s: the adapter starts", field)
		}
		text, _ := fs.ReadFile(mappings.FS, intakeMap)
		before, _, _ := strings.Cut(string(text), "src.reasonCode as c")
		line := "line " + strconv.Itoa(strings.Count(before, "\n")+1)
		for _, part := range []string{"ukcore-r4-to-referral.map", "reasonKode", "reasonCode", line} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error does not name %s: %v", field, part, err)
			}
		}
	}
}

// New maps run beside the live ones: what would change is told, and nothing else
// happens.
func TestShadowMapsChangeNothingAndTellWhatTheyWould(t *testing.T) {
	w := newWorld(t, "")
	log := &buffer{}
	w.config.ShadowMaps = ownMaps(t, map[string][3]string{
		"base/conceptmap-need.json":                     otherNeed,
		"outcome-to-ukcore-r4/outcome-to-ukcore-r4.map": {"outcome-to-ukcore-r4/outcome-to-ukcore-r4.map", "'transaction'", "'batch'"},
	})
	a := w.run(slog.New(slog.NewJSONHandler(log, nil)))
	gp, worker := a.as(auth.RoleRequester, practiceA), a.as(auth.RoleOwner, service1)
	task := gp.refer(someone(practiceA).message(), "X-Request-ID", "shadow-1")
	if got := needCodes(worker, task); !slices.Contains(got, "loneliness") {
		t.Errorf("the shadow maps are the live ones: %s", got)
	}
	before := w.counts()
	eventually(t, "the difference is logged", func() bool { return strings.Contains(log.String(), "shadow conversion differs") })
	if after := w.counts(); after["versions"] != before["versions"] || len(after) == 0 {
		t.Errorf("the shadow stored something: %v, before %v", after, before)
	}
	for _, part := range []string{`"request_id":"shadow-1"`, "ukcore-r4-to-referral", "reasonCode[0].coding", "by reason/need", "ukcore-r4-to-referral.map:"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log does not tell %s:\n%s", part, log)
		}
	}
	metrics := string(worker.get("/metrics").want(http.StatusOK).body)
	for _, part := range []string{
		`adapter_shadow_conversions_total{dialect="ukcore-r4-to-referral",result="different"} 1`,
		`adapter_shadow_differences_total{dialect="ukcore-r4-to-referral",element="Bundle.entry.resource.reasonCode.coding.code",kind="changed"}`,
	} {
		if !strings.Contains(metrics, part) {
			t.Errorf("the metrics do not show %s", part)
		}
	}
	a.stop()
	if !strings.Contains(log.String(), `"msg":"shadow maps"`) {
		t.Error("the end does not sum up")
	}
}
