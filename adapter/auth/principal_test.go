package auth

import "testing"

func TestScopes(t *testing.T) {
	for scope, want := range map[string]string{
		"system/Task.cruds": "cruds", "system/Task.rs": "rs", "system/*.c": "c", "system/Task.read": "rs", "system/Task.write": "cud", "system/*.*": "cruds",
		"system/Task.sr": "", "system/Task.rr": "", "system/Task.x": "", "system/Task.": "", "system/Task": "", "Task.r": "", "user/Task.r": "", "patient/*.cruds": "",
		"system/Task.rs?code=x": "", "system/Patient.cruds": "", "system/task.r": "", "": "",
	} {
		p := &Principal{Scopes: []string{scope}}
		got := ""
		for _, letter := range []byte("cruds") {
			if p.Allows("Task", letter) {
				got += string(letter)
			}
		}
		if got != want || p.Allows("Task", '.') || p.Allows("", 'r') {
			t.Errorf("%q allows %q, want %q", scope, got, want)
		}
	}
	if (*Principal)(nil).Allows("Task", 'r') || (*Principal)(nil).SpeaksFor("A1") {
		t.Error("nobody may do something")
	}
}
