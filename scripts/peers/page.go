package main

// Writes the table of docs/comparison.md with --write: a line for each figure, Rigel's figure beside each peer's and its ratio to it.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	pageBegin = "<!-- written by: npm run peers -- --write -->"
	pageEnd   = "<!-- until here -->"
)

// What the table leaves out: it tells about the load generator and the machine, which is seldom quiet.
var leftOut = regexp.MustCompile(`^\| [^|]* \| ([a-z]+ a second|client's CPU|server's core|connections closed|polls refused|lost)`)

var moduleVersion = regexp.MustCompile(`\smod\s+\S+centrifugo\S*\s+v(\S+)`)

// conditions: to be read before measuring, for the load tells whether the machine was quiet.
func conditions() string {
	said := func(name string, args ...string) string {
		out, _ := exec.Command(name, args...).CombinedOutput()
		return strings.TrimSpace(string(out))
	}
	load := strings.Fields(said("cat", "/proc/loadavg"))[0]
	centrifugo := moduleVersion.FindStringSubmatch(said("go", "version", "-m", filepath.Join(buildDir, "bin/centrifugo")))
	return fmt.Sprintf("%s, %s, nchan %s, Centrifugo %s, load average before: %s.", time.Now().UTC().Format(time.DateOnly),
		said(workerdPath(), "--version"), said("dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan"), append(centrifugo, "?", "?")[1], load)
}

func writePage(where string, taken []Taken) {
	path := filepath.Join(rigelDir, "docs/comparison.md")
	page, err := os.ReadFile(path)
	check(err)
	before, rest, found := strings.Cut(string(page), pageBegin)
	_, after, ended := strings.Cut(rest, pageEnd)
	if !found || !ended {
		panic(path + " has no place for the table: " + pageBegin + " … " + pageEnd)
	}
	lines := strings.Split(strings.TrimSpace(table(taken, false)), "\n")
	kept := append([]string{}, lines[:2]...)
	kept = append(kept, storesLine(lines[0]))
	for _, line := range lines[2:] {
		if !leftOut.MatchString(line) {
			kept = append(kept, line)
		}
	}
	text := before + pageBegin + "\n\n" + where + "\n\n" + strings.Join(kept, "\n") + "\n\n" + pageEnd + after
	check(os.WriteFile(path, []byte(text), 0o644))
}

// storesLine: what each peer of the table keeps of an event.
func storesLine(head string) string {
	stores := map[string]string{}
	for _, work := range allWorks() {
		for _, peer := range work.peers() {
			stores[peer.name] = peer.stores
		}
	}
	line := "| all | keeps |"
	for _, name := range strings.Split(head, "|")[3:] {
		if name = strings.TrimSpace(name); name != "" {
			line += " " + stores[name] + " |"
		}
	}
	return line
}
