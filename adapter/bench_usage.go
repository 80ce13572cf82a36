package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what the adapter's process has used; -1 where it cannot be known.
type usage struct {
	cpuSeconds float64
	peakBytes  int64
}

// since is the CPU used after an earlier look; the peak stays.
func (u usage) since(earlier usage) usage {
	if u.cpuSeconds < 0 || earlier.cpuSeconds < 0 {
		u.cpuSeconds = -1
	} else {
		u.cpuSeconds -= earlier.cpuSeconds
	}
	u.peakBytes = max(u.peakBytes, earlier.peakBytes)
	return u
}

// after adds what was used before; the peak is the higher one.
func (u usage) after(earlier usage) usage {
	if u.cpuSeconds < 0 || earlier.cpuSeconds < 0 {
		u.cpuSeconds = -1
	} else {
		u.cpuSeconds += earlier.cpuSeconds
	}
	u.peakBytes = max(u.peakBytes, earlier.peakBytes)
	return u
}

// told gives the CPU in seconds and the peak as a report has them: nil where they are not
// known.
func (u usage) told() (cpu *float64, peak *int64) {
	if u.cpuSeconds >= 0 {
		rounded := math.Round(u.cpuSeconds*100) / 100 // the kernel counts in hundredths
		cpu = &rounded
	}
	if u.peakBytes >= 0 {
		peak = &u.peakBytes
	}
	return cpu, peak
}

// usage asks the adapter's /metrics. Of a child on Linux the peak is the kernel's; else
// it is what is resident at the moment, and the highest of several looks counts.
func (s *benchServer) usage(ctx context.Context) usage {
	u := usage{cpuSeconds: -1, peakBytes: -1}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		return u
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		defer response.Body.Close()
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), " ")
			v, err := strconv.ParseFloat(value, 64)
			switch {
			case err != nil:
			case name == "process_cpu_seconds_total":
				u.cpuSeconds = v
			case name == "process_resident_memory_bytes":
				u.peakBytes = int64(v)
			}
		}
	}
	if s.child != nil {
		if peak, ok := peakOf(s.child.Process.Pid); ok {
			u.peakBytes = peak
		}
	}
	return u
}

// peakOf reads the largest resident size a process has had; false where there is no
// /proc. (The ru_maxrss of a child would include the size of the parent that forked it.)
// Source: https://man7.org/linux/man-pages/man5/proc_pid_status.5.html.
func peakOf(pid int) (bytes int64, ok bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}
