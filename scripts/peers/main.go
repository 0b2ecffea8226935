// peers: Rigel and its peers side by side, on the same work, in one run. See README.md.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"time"
)

var (
	quick   = flag.Bool("quick", false, "short")
	runs    = flag.Int("runs", 0, "of each; 0: 1 with --quick, else 3")
	works   = flag.String("works", "", "only these, by comma: W1 … W8, and W1x for 5,000 subscribers")
	only    = flag.String("peers", "", "only these, by comma: words of their names")
	origin  = flag.Int("origin", 0, "be Pushpin's origin, on this port")
	results = flag.String("results", "", "where to append a JSON line for each figure")
	profile = flag.Bool("profile", false, "workerd writes the names of its functions for perf")
	seconds = flag.Float64("seconds", 0, "of each measurement")
	write   = flag.Bool("write", false, "write the table of docs/comparison.md")
	hold    = flag.String("hold", "", "with --works and --peers: a command to run beside the first measurement, in which PID is the server's")
)

type work struct {
	name  string
	peers func() []Peer
	do    func(b *bench)
	quick bool
}

func main() {
	flag.IntVar(&basePort, "port", basePort, "the first of 30 ports")
	flag.StringVar(&storageDir, "storage", os.TempDir(), "where workerd stores; /dev/shm takes the disk out of the rates")
	flag.StringVar(&rigelDir, "rigel", "", "a checkout of Rigel with its node_modules")
	flag.Parse()
	if *origin > 0 {
		serveOrigin(*origin)
	}
	hereDir, _ = filepath.Abs(".")
	buildDir = os.Getenv("PEERS_BUILD")
	runtime.LockOSThread()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() { <-stop; stopAll(); os.Exit(130) }()

	plan := Plan{seconds: 10, latencySeconds: 50, idle: []int{1000, 5000, 10000}, connects: 2000}
	if *quick {
		plan = Plan{seconds: 3, latencySeconds: 5, idle: []int{1000, 3000}, connects: 1000}
	}
	if *seconds > 0 {
		plan.seconds = *seconds
	}
	if *runs == 0 {
		*runs = 3
		if *quick {
			*runs = 1
		}
	}
	self, _ := os.Executable()
	pushpinOrigin := startOn("1", folder(), hereDir, nil, self, fmt.Sprintf("--origin=%d", basePort+5))
	defer stopAll()
	begin := time.Now()
	where := conditions()
	var taken []Taken
	for run := 0; run < *runs; run++ {
		for _, work := range allWorks() {
			if !isChosen(*works, work.name, true) || (*works == "" && *quick && !work.quick) {
				continue
			}
			for _, peer := range work.peers() {
				if !isChosen(*only, peer.name, false) {
					continue
				}
				one := measure(peer, plan, work)
				taken = append(taken, one...)
				for _, t := range one {
					fmt.Fprintf(os.Stderr, "%6.0fs  %-3s %-46s %-22s %-32s %12s %s\n", time.Since(begin).Seconds(), work.name, t.Work, t.Peer, t.Metric, show(t.Value), t.Unit)
				}
				save(one)
			}
		}
	}
	pushpinOrigin.stop()
	fmt.Println(table(taken, true))
	if *write {
		writePage(where, taken)
	}
	fmt.Printf("\n%d run(s), %.0f s in all\n", *runs, time.Since(begin).Seconds())
}

func measure(peer Peer, plan Plan, w work) (taken []Taken) {
	b := &bench{peer: peer, plan: plan}
	defer func() {
		if failure := recover(); failure != nil {
			fmt.Fprintf(os.Stderr, "FAILED %s, %s: %v\n", w.name, peer.name, failure)
			if _, isRuntime := failure.(runtime.Error); isRuntime {
				panic(failure)
			}
			b.take("failed", "", 1, true)
		}
		taken = b.taken
		if b.loop != nil {
			b.loop.close()
		}
		if b.proc != nil {
			b.proc.stop()
		}
		runtime.GC()
	}()
	b.loop = newLoop()
	b.proc = peer.start(options{})
	if *hold != "" {
		startOn("1", folder(), hereDir, []string{fmt.Sprint("PID=", b.proc.cmd.Process.Pid)}, "sh", "-c", *hold)
	}
	w.do(b)
	return
}

func isChosen(list, name string, whole bool) bool {
	if list == "" {
		return true
	}
	for _, word := range strings.Split(list, ",") {
		if word == name || (!whole && strings.Contains(strings.ToLower(name), strings.ToLower(word))) {
			return true
		}
	}
	return false
}

func allWorks() []work {
	all := func() []Peer {
		return []Peer{rigel("Rigel", "", 4), rigel("Rigel 1 shard", "", 1), nchan(), pushpin(), centrifugo(false), centrifugo(true), bare(), nodeWs()}
	}
	sockets := func() []Peer {
		return append([]Peer{rigel("Rigel", "", 4), rigel("Rigel rigel.v1", "rigel.v1", 4)}, all()[1:]...)
	}
	some := func(names ...string) func() []Peer {
		return func() (chosen []Peer) {
			for _, peer := range all() {
				for _, name := range names {
					if peer.name == name {
						chosen = append(chosen, peer)
					}
				}
			}
			return
		}
	}
	each := some("Rigel", "nchan", "Pushpin", "Centrifugo", "Centrifugo+history", "bare workerd", "node ws")
	return []work{
		{"W1", sockets, func(b *bench) { b.fanOut("ws", 1000) }, true},
		{"W1x", each, func(b *bench) { b.fanOut("ws", 5000) }, false},
		{"W2", all, func(b *bench) { b.fanOut("sse", 1000) }, true},
		{"W2x", each, func(b *bench) { b.fanOut("sse", 5000) }, false},
		{"W3", all, func(b *bench) { b.addressed("ws", 1000) }, true},
		{"W3", some("Rigel", "Rigel 1 shard", "Centrifugo", "Centrifugo+history"), func(b *bench) { b.addressedMany("ws", 1000, 50) }, true},
		{"W4", each, func(b *bench) { b.latency("ws", 1000) }, true},
		{"W4", each, func(b *bench) { b.lastOf("ws", 1000) }, true},
		{"W5", each, func(b *bench) { b.memory("ws") }, true},
		{"W5", each, func(b *bench) { b.memory("sse") }, true},
		{"W6", each, func(b *bench) { b.connectRate("ws") }, true},
		{"W6", each, func(b *bench) { b.connectRate("sse") }, true},
		{"W6", some("Rigel", "nchan", "Centrifugo+history"), func(b *bench) { b.resume() }, true},
		{"W7", some("Rigel", "nchan", "Pushpin"), func(b *bench) { b.longPolling(1000) }, true},
		{"W8", proxies, func(b *bench) { b.passThrough() }, true},
	}
}

func save(taken []Taken) {
	if *results == "" {
		return
	}
	file, err := os.OpenFile(*results, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	check(err)
	defer file.Close()
	for _, t := range taken {
		if !math.IsNaN(t.Value) && !math.IsInf(t.Value, 0) {
			check(json.NewEncoder(file).Encode(t))
		}
	}
}

// table: a line for each figure, a column for each peer: the median, the least and the most if there were several runs
// (withRange), and Rigel's median divided by it.
func table(taken []Taken, withRange bool) string {
	type key struct{ work, metric, unit string }
	var lines []key
	var peers []string
	values := map[key]map[string][]float64{}
	for _, t := range taken {
		k := key{t.Work, t.Metric, t.Unit}
		if values[k] == nil {
			values[k] = map[string][]float64{}
			lines = append(lines, k)
		}
		values[k][t.Peer] = append(values[k][t.Peer], t.Value)
		if !contains(peers, t.Peer) {
			peers = append(peers, t.Peer)
		}
	}
	place := map[string]int{}
	for n, k := range lines {
		if _, known := place[k.work]; !known {
			place[k.work] = n
		}
	}
	sort.SliceStable(lines, func(a, b int) bool { return place[lines[a].work] < place[lines[b].work] })
	var out strings.Builder
	fmt.Fprintf(&out, "| work | figure | %s |\n|---|---|%s\n", strings.Join(peers, " | "), strings.Repeat("--:|", len(peers)))
	for _, k := range lines {
		fmt.Fprintf(&out, "| %s | %s %s |", k.work, k.metric, k.unit)
		ours := median(values[k]["Rigel"])
		for _, peer := range peers {
			v := values[k][peer]
			if len(v) == 0 {
				out.WriteString(" |")
				continue
			}
			sort.Float64s(v)
			cell := show(median(v))
			if withRange && len(v) > 1 {
				cell = fmt.Sprintf("%s (%s–%s)", cell, show(v[0]), show(v[len(v)-1]))
			}
			if !strings.HasPrefix(peer, "Rigel") && len(values[k]["Rigel"]) > 0 && median(v) != 0 && k.metric != "lost" && k.metric != "failed" {
				cell += fmt.Sprintf(" **%s**", ratio(ours/median(v)))
			}
			fmt.Fprintf(&out, " %s |", cell)
		}
		out.WriteString("\n")
	}
	return out.String()
}

func ratio(r float64) string {
	if r >= 10 {
		return fmt.Sprintf("×%.0f", r)
	}
	return fmt.Sprintf("×%.2f", r)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	sorted := append([]float64{}, v...)
	sort.Float64s(sorted)
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}

func contains(list []string, one string) bool {
	for _, other := range list {
		if other == one {
			return true
		}
	}
	return false
}

func show(v float64) string {
	switch {
	case math.Abs(v) >= 1000:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	case math.Abs(v) >= 0.1 || v == 0:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.4f", v)
	}
}
