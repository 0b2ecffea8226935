package main

// Each peer: how it is started, how one subscribes, polls and publishes, and what its documentation calls resuming.

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	everybody = -1 // a user: nobody in particular
	secret    = "a secret of the bench, known to everybody"
)

type Peer struct {
	name    string
	stores  string // what of an event it keeps
	start   func(options) *Proc
	port    int
	pubPort int
	// The whole request, or nil: it has no such transport.
	ws, sse  func(user int, from string) []byte
	poll     func(user int, next string) []byte
	nextPoll func(now string, headers, body []byte) string
	pub      func(user int, event string) []byte
	pubMany  func(users []int, events []string) []byte // many events in one request, or nil
	hello    func(user int, from string) []byte        // said on an open WebSocket
	// A WebSocket, and a stream, is subscribed when this has come.
	wsReady, sseReady string
	// The position of an event as it came over SSE (or, with resumeOver "ws", over the socket).
	position   func(frame []byte) string
	resumeOver string
	pollPauses bool // the peer stores nothing for a client that does not poll at the moment
	pollOpens  bool // the first poll is answered at once, by a session
	pubCloses  bool // each publish is a connection
}

type options struct {
	variables map[string]string // Rigel's
	service   string            // what is proxied to
}

var (
	basePort   = 9220
	rigelDir   string
	hereDir    string
	buildDir   string
	storageDir string
)

func folder() string {
	dir, err := os.MkdirTemp("", "peers-")
	check(err)
	return dir
}

func get(path string, port int, headers ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", path, port)
	for _, header := range headers {
		b.WriteString(header + "\r\n")
	}
	return []byte(b.String() + "\r\n")
}

func post(path string, port int, body string, headers ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %d\r\n", path, port, len(body))
	for _, header := range headers {
		b.WriteString(header + "\r\n")
	}
	return []byte(b.String() + "\r\n" + body)
}

func upgrade(path string, port int, headers ...string) []byte {
	return get(path, port, append(headers, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", fmt.Sprintf("Origin: http://127.0.0.1:%d", port))...)
}

func channelOf(user int) string {
	if user == everybody {
		return "all"
	}
	return fmt.Sprintf("u%05d", user)
}

// eventOf: the same 200 bytes for everybody, a CloudEvent with a marker and a number in it.
func eventOf(seq, user int) string {
	recipients := ""
	if user != everybody {
		recipients = fmt.Sprintf(`"recipients":["%s"],`, channelOf(user))
	}
	head := fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/b","type":"m","data":{%s"t":"%s%010d`, seq, recipients, marker, seq)
	return head + strings.Repeat("x", 200-3-len(head)) + `"}}`
}

var tokens = map[string]string{}

func tokenOf(user int) string {
	sub := channelOf(user)
	if token := tokens[sub]; token != "" {
		return token
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(fmt.Sprintf(`{"sub":"%s","exp":4000000000}`, sub)))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	tokens[sub] = text + "." + encode(mac.Sum(nil))
	return tokens[sub]
}

func untilAnswers(p *Proc, url string) {
	where, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	ask := func() bool {
		socket, err := net.DialTimeout("tcp", where, time.Second)
		if err != nil {
			return false
		}
		defer socket.Close()
		// By a reset: a server that is started next on this port is not kept from it by what is left of this connection.
		socket.(*net.TCPConn).SetLinger(0)
		socket.SetDeadline(time.Now().Add(time.Second))
		fmt.Fprintf(socket, "GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n", path, where)
		answer := make([]byte, 4096)
		n, _ := socket.Read(answer)
		return n > 12 && answer[9] < '5'
	}
	for begin := time.Now(); time.Since(begin) < 20*time.Second; sleep(50) {
		if ask() {
			return
		}
	}
	panic("did not start: " + url + "\n" + p.tailOfLog())
}

// ---- Rigel

// rigelObjects: class and binding of each Durable Object, as the checkout's wrangler.toml has them now.
func rigelObjects() [][2]string {
	text, err := os.ReadFile(filepath.Join(rigelDir, "wrangler.toml"))
	check(err)
	var found [][2]string
	for _, block := range strings.Split(string(text), "[[durable_objects.bindings]]")[1:] {
		field := func(name string) string {
			return regexp.MustCompile(`(?m)^` + name + ` *= *"([^"]+)"`).FindStringSubmatch(block)[1]
		}
		found = append(found, [2]string{field("class_name"), field("name")})
	}
	return found
}

var bundled string

// bundleRigel: as it is deployed, by its own wrangler.toml.
func bundleRigel() string {
	if bundled != "" {
		return bundled
	}
	out := filepath.Join(buildDir, "rigel")
	node := filepath.Join(rigelDir, "node_modules/.bin/node")
	cmd := exec.Command(node, "node_modules/wrangler/bin/wrangler.js", "deploy", "--dry-run", "--outdir", out)
	cmd.Dir = rigelDir
	cmd.Env = append(os.Environ(), "WRANGLER_SEND_METRICS=false", "CLOUDFLARE_API_TOKEN=")
	if said, err := cmd.CombinedOutput(); err != nil {
		panic(string(said))
	}
	bundled = filepath.Join(out, "index.js")
	return bundled
}

// workerdPath: the binary that the checkout's wrangler brings; no package of Rigel's depends on it.
func workerdPath() string {
	cmd := exec.Command(filepath.Join(rigelDir, "node_modules/.bin/node"), "-p",
		`const { createRequire } = require('module'); createRequire(require.resolve('wrangler'))('workerd').default`)
	cmd.Dir = rigelDir
	path, err := cmd.Output()
	check(err)
	return strings.TrimSpace(string(path))
}

func startWorkerd(port int, script string, objects [][2]string, variables map[string]string) *Proc {
	dir := folder()
	storage, err := os.MkdirTemp(storageDir, "peers-storage-")
	check(err)
	code, err := os.ReadFile(script)
	check(err)
	check(os.WriteFile(filepath.Join(dir, "worker.js"), code, 0o644))
	var namespaces, bindings []string
	for _, o := range objects {
		namespaces = append(namespaces, fmt.Sprintf(`(className = "%s", uniqueKey = "bench-%s", enableSql = true)`, o[0], o[0]))
		bindings = append(bindings, fmt.Sprintf(`(name = "%s", durableObjectNamespace = "%s")`, o[1], o[0]))
	}
	for name, value := range variables {
		text, _ := json.Marshal(value)
		bindings = append(bindings, fmt.Sprintf(`(name = "%s", text = %s)`, name, text))
	}
	flags := ""
	if *profile {
		// So that perf knows the names of JavaScript functions: it reads perf-PID.map in the temporary folder.
		flags = `
  v8Flags = ["--perf-basic-prof", "--interpreted-frames-native-stack"],`
	}
	config := fmt.Sprintf(`using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
    (name = "storage", disk = (path = "%s", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:%d", http = (), service = "main")],%s
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "2026-09-15",
  durableObjectNamespaces = [%s],
  durableObjectStorage = (localDisk = "storage"),
  bindings = [%s],
);
`, storage, port, flags, strings.Join(namespaces, ", "), strings.Join(bindings, ", "))
	path := filepath.Join(dir, "config.capnp")
	check(os.WriteFile(path, []byte(config), 0o644))
	p := startOn("0", dir, rigelDir, nil, workerdPath(), "serve", "--experimental", path)
	p.storage = storage
	return p
}

func rigel(name, protocol string, shards int) Peer {
	port := basePort
	subscribe := url.QueryEscape(`[{"eventType":"m"}]`)
	query := func(user int, from string) string {
		q := "?"
		if user == everybody {
			q += "subscriptions=" + subscribe
		} else {
			q += "jwt=" + tokenOf(user)
		}
		if from != "" {
			q += "&last_event_id=" + url.QueryEscape(from)
		}
		return q
	}
	ready := "rig.subscriptions_set"
	return Peer{
		name: name, stores: "log and shards, SQLite on disk", port: port, pubPort: port,
		start: func(o options) *Proc {
			variables := map[string]string{"SHARDS": fmt.Sprint(shards), "SUBMISSION_CHECK": "NO_CHECK", "JWT_SECRET_KEY": secret,
				"RECIPIENTS": `{"*":"/data/recipients"}`, "MAX_CONNECTIONS_PER_MINUTE": "1000000", "MAX_CONNECTIONS_PER_SHARD": "32768",
				"MAX_WAITING_BYTES": "33554432", "KAFKA_SOURCE_TOPICS": "rig", "INTERNAL_TOKEN": "a-token-of-the-bench"}
			for name, value := range o.variables {
				variables[name] = value
			}
			p := startWorkerd(port, bundleRigel(), rigelObjects(), variables)
			untilAnswers(p, fmt.Sprintf("http://127.0.0.1:%d/_rig/health", port))
			return p
		},
		ws: func(user int, from string) []byte {
			var headers []string
			if protocol != "" {
				headers = []string{"Sec-WebSocket-Protocol: " + protocol}
			}
			return upgrade("/_rig/v1/connection/ws"+query(user, from), port, headers...)
		},
		sse:     func(user int, from string) []byte { return get("/_rig/v1/connection/sse"+query(user, from), port) },
		wsReady: ready, sseReady: ready,
		poll: func(user int, next string) []byte {
			if next == "" {
				next = "&connection_token="
			}
			return get("/_rig/v1/connection/longpolling"+query(user, "")+next, port)
		},
		nextPoll: func(_ string, _, body []byte) string {
			var said struct {
				Token string `json:"connection_token"`
				Last  string `json:"last_event_id"`
			}
			json.Unmarshal(body, &said)
			return "&connection_token=" + said.Token + "&last_event_id=" + said.Last
		},
		pub: func(_ int, event string) []byte {
			return post("/_rig/v1/events", port, event, "Content-Type: application/cloudevents+json")
		},
		pubMany: func(_ []int, events []string) []byte {
			return post("/_rig/v1/events", port, "["+strings.Join(events, ",")+"]", "Content-Type: application/cloudevents-batch+json")
		},
		pollOpens: true, position: sseID, resumeOver: "sse",
	}
}

// sseID: of the last event of what came.
func sseID(frame []byte) string {
	at := bytes.LastIndex(frame, []byte("id: "))
	if at < 0 {
		return ""
	}
	rest := frame[at+4:]
	if end := bytes.IndexAny(rest, "\r\n"); end >= 0 {
		return string(rest[:end])
	}
	return ""
}

// ---- workerd without Rigel

func bare() Peer {
	port := basePort + 1
	return Peer{
		name: "bare workerd", stores: "nothing", port: port, pubPort: port,
		start: func(o options) *Proc {
			p := startWorkerd(port, filepath.Join(hereDir, "workers/bare.js"), [][2]string{{"Bare", "BARE"}}, map[string]string{"PASS_TO": o.service})
			untilAnswers(p, fmt.Sprintf("http://127.0.0.1:%d/health", port))
			return p
		},
		ws:       func(user int, _ string) []byte { return upgrade("/sub?id="+channelOf(user), port) },
		sse:      func(user int, _ string) []byte { return get("/sub?id="+channelOf(user), port) },
		sseReady: ": open",
		pub:      func(user int, event string) []byte { return post("/pub?id="+channelOf(user), port, event) },
	}
}

func nodeWs() Peer {
	port := basePort + 2
	return Peer{
		name: "node ws", stores: "nothing", port: port, pubPort: port,
		start: func(options) *Proc {
			node := filepath.Join(rigelDir, "node_modules/.bin/node")
			p := startOn("0", folder(), hereDir, []string{fmt.Sprint("PORT=", port), "RIGEL_DIR=" + rigelDir}, node, "workers/node-ws.mjs")
			untilAnswers(p, fmt.Sprintf("http://127.0.0.1:%d/health", port))
			return p
		},
		ws:       func(user int, _ string) []byte { return upgrade("/ws?id="+channelOf(user), port) },
		sse:      func(user int, _ string) []byte { return get("/sub?id="+channelOf(user), port) },
		sseReady: ": open",
		pub:      func(user int, event string) []byte { return post("/pub?id="+channelOf(user), port, event) },
	}
}

// ---- nchan

func nginxConf(dir string, port int, body, upstreams, modules string) string {
	var temporary []string
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary = append(temporary, fmt.Sprintf("%s_temp_path %s/%s;", name, dir, name))
	}
	return fmt.Sprintf(`%s
daemon off;
worker_processes 1;
pid %s/pid;
error_log stderr warn;
events { worker_connections 20000; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  %s
  %s
  server { listen 127.0.0.1:%d backlog=4096; %s }
}
`, modules, dir, strings.Join(temporary, "\n  "), upstreams, port, body)
}

func startNginx(core string, port int, body, upstreams, modules string) *Proc {
	dir := folder()
	path := filepath.Join(dir, "nginx.conf")
	check(os.WriteFile(path, []byte(nginxConf(dir, port, body, upstreams, modules)), 0o644))
	check(os.Chmod(dir, 0o777))
	p := startOn(core, dir, dir, nil, "nginx", "-p", dir, "-c", path, "-e", "stderr")
	untilAnswers(p, fmt.Sprintf("http://127.0.0.1:%d/", port))
	return p
}

func nchan() Peer {
	port := basePort + 3
	channel := func(user int) string { return "?id=" + channelOf(user) }
	return Peer{
		name: "nchan", stores: "memory, 1000 events a channel", port: port, pubPort: port,
		start: func(options) *Proc {
			return startNginx("0", port, `
    location = /pub { nchan_publisher; nchan_channel_id $arg_id; nchan_message_buffer_length 1000; nchan_message_timeout 1h; }
    location = /sub { nchan_subscriber; nchan_channel_id $arg_id; nchan_subscriber_first_message newest; nchan_subscriber_timeout 0; }
    location / { return 200; }`, "nchan_shared_memory_size 1024M;", "load_module /usr/lib/nginx/modules/ngx_nchan_module.so;")
		},
		ws: func(user int, _ string) []byte { return upgrade("/sub"+channel(user), port) },
		sse: func(user int, from string) []byte {
			headers := []string{"Accept: text/event-stream"}
			if from != "" {
				headers = append(headers, "Last-Event-ID: "+from)
			}
			return get("/sub"+channel(user), port, headers...)
		},
		sseReady: "text/event-stream",
		poll: func(user int, next string) []byte {
			if next == "" {
				return get("/sub"+channel(user), port)
			}
			return get("/sub"+channel(user), port, strings.Split(next, "\n")...)
		},
		nextPoll: func(now string, headers, _ []byte) string {
			modified, etag := headerOf(headers, "last-modified"), headerOf(headers, "etag")
			if modified == nil {
				return now
			}
			return "If-Modified-Since: " + string(modified) + "\nIf-None-Match: " + string(etag)
		},
		pub: func(user int, event string) []byte {
			return post("/pub"+channel(user), port, event, "Content-Type: application/json")
		},
		position: sseID, resumeOver: "sse",
	}
}

// ---- Pushpin

func pushpin() Peer {
	port, origin, publishing := basePort+4, basePort+5, basePort+6
	escaped := func(text string) string { b, _ := json.Marshal(text); return string(b) }
	return Peer{
		name: "Pushpin", stores: "nothing", port: port, pubPort: publishing,
		start: func(o options) *Proc {
			dir := folder()
			for _, sub := range []string{"run", "log"} {
				check(os.Mkdir(filepath.Join(dir, sub), 0o755))
			}
			routes := fmt.Sprintf("*,path_beg=/ws 127.0.0.1:%d,over_http\n* 127.0.0.1:%d\n", origin, origin)
			if o.service != "" {
				routes = "* " + strings.TrimPrefix(o.service, "http://") + "\n"
			}
			check(os.WriteFile(filepath.Join(dir, "routes"), []byte(routes), 0o644))
			conf, err := os.ReadFile("/etc/pushpin/pushpin.conf")
			check(err)
			set := map[string]string{"rundir": dir + "/run", "logdir": dir + "/log", "http_port": fmt.Sprint("127.0.0.1:", port), "routesfile": dir + "/routes",
				"push_in_http_port": fmt.Sprint(publishing), "push_in_spec": fmt.Sprintf("tcp://127.0.0.1:%d", basePort+7),
				"push_in_sub_specs": fmt.Sprintf("tcp://127.0.0.1:%d", basePort+8), "command_spec": fmt.Sprintf("tcp://127.0.0.1:%d", basePort+9),
				// Its limits: of deliveries a second, and of what may wait.
				"message_rate": "100000000", "message_hwm": "100000000", "client_maxconn": "15000", "log_level": "1", "connection_subscription_max": "20"}
			lines := strings.Split(string(conf), "\n")
			for n, line := range lines {
				name, _, _ := strings.Cut(line, "=")
				if value, ok := set[name]; ok {
					lines[n] = name + "=" + value
				}
			}
			// Debian's Pushpin asks its origins through a zurl of its own, which must be allowed to ask this machine.
			at := func(name string) string { return "ipc://" + dir + "/run/zurl-" + name }
			text := strings.Replace(strings.Join(lines, "\n"), "[proxy]\n", fmt.Sprintf(
				"[proxy]\nzurl_out_specs=%s\nzurl_out_stream_specs=%s\nzurl_in_specs=%s\n", at("in"), at("in-stream"), at("out")), 1)
			path, zurl := filepath.Join(dir, "pushpin.conf"), filepath.Join(dir, "zurl.conf")
			check(os.WriteFile(path, []byte(text), 0o644))
			check(os.WriteFile(zurl, []byte(fmt.Sprintf(`[General]
in_spec=%s
in_stream_spec=%s
out_spec=%s
in_req_spec=%s
ipc_file_mode=660
defpolicy=allow
max_open_requests=20000
buffer_size=200000
timeout=600
in_hwm=20000
out_hwm=20000
`, at("in"), at("in-stream"), at("out"), at("req"))), 0o644))
			p := startOn("0", dir, dir, nil, "sh", "-c", "zurl --loglevel=1 --config="+zurl+" & exec pushpin --config="+path)
			untilAnswers(p, fmt.Sprintf("http://127.0.0.1:%d/health", port))
			sleep(1500) // its handler is there later than its proxy
			return p
		},
		ws:       func(user int, _ string) []byte { return upgrade("/ws?id="+channelOf(user), port) },
		sse:      func(user int, _ string) []byte { return get("/stream?id="+channelOf(user), port) },
		poll:     func(user int, _ string) []byte { return get("/poll?id="+channelOf(user), port) },
		nextPoll: func(string, []byte, []byte) string { return "again" },
		// The origin says it right after the subscription.
		wsReady: "subscribed", sseReady: ": open", pollPauses: true, pubCloses: true,
		pub: func(user int, event string) []byte {
			stream, text := escaped("data: "+event+"\n\n"), escaped(event)
			return post("/publish/", publishing, fmt.Sprintf(
				`{"items":[{"channel":"%s","formats":{"ws-message":{"content":%s},"http-stream":{"content":%s},"http-response":{"body":%s}}}]}`,
				channelOf(user), text, stream, text), "Content-Type: application/json")
		},
	}
}

// serveOrigin: what Pushpin asks how a request is to be held. A process of its own, on the clients' core.
func serveOrigin(port int) {
	event := func(kind, content string) string {
		if content == "" {
			return kind + "\r\n"
		}
		return fmt.Sprintf("%s %X\r\n%s\r\n", kind, len(content), content)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		channel := r.URL.Query().Get("id")
		switch r.URL.Path {
		case "/ws":
			w.Header().Set("Content-Type", "application/websocket-events")
			w.Header().Set("Sec-WebSocket-Extensions", `grip; message-prefix=""`)
			body := make([]byte, 4096)
			n, _ := r.Body.Read(body)
			if strings.HasPrefix(string(body[:n]), "OPEN") {
				fmt.Fprint(w, event("OPEN", "")+event("TEXT", `c:{"type":"subscribe","channel":"`+channel+`"}`)+event("TEXT", "subscribed"))
			}
		case "/stream":
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Grip-Hold", "stream")
			w.Header().Set("Grip-Channel", channel)
			fmt.Fprint(w, ": open\n\n")
		case "/poll":
			w.Header().Set("Grip-Hold", "response")
			w.Header().Set("Grip-Channel", channel)
			w.Header().Set("Grip-Timeout", "60")
		default:
			fmt.Fprint(w, "ok")
		}
	})
	check(http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", port), nil))
}

// ---- Centrifugo

func centrifugo(withHistory bool) Peer {
	port := basePort + 10
	name, stores := "Centrifugo", "nothing"
	channel := map[string]any{"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true}
	if withHistory {
		name, stores = "Centrifugo+history", "memory, 1000 events a channel"
		channel["history_size"], channel["history_ttl"], channel["force_recovery"], channel["force_positioning"] = 1000, "1h", true, true
	}
	peer := Peer{
		name: name, stores: stores, port: port, pubPort: port,
		start: func(options) *Proc {
			dir := folder()
			config := map[string]any{
				"http_server": map[string]any{"address": "127.0.0.1", "port": fmt.Sprint(port)},
				"http_api":    map[string]any{"key": "k"},
				"client": map[string]any{"insecure": true, "allowed_origins": []string{"*"}, "ping_interval": "600s", "pong_timeout": "60s",
					"concurrency": 0},
				"channel": map[string]any{"without_namespace": channel},
				"uni_sse": map[string]any{"enabled": true},
				"health":  map[string]any{"enabled": true},
				"log":     map[string]any{"level": "error"},
			}
			b, _ := json.Marshal(config)
			path := filepath.Join(dir, "config.json")
			check(os.WriteFile(path, b, 0o644))
			p := startOn("0", dir, dir, nil, filepath.Join(buildDir, "bin/centrifugo"), "--config="+path)
			untilAnswers(p, fmt.Sprintf("http://127.0.0.1:%d/health", port))
			return p
		},
		ws: func(int, string) []byte { return upgrade("/connection/websocket", port) },
		hello: func(user int, from string) []byte {
			recover := ""
			if from != "" {
				recover = `,"recover":true,` + from
			}
			return append(textFrame(`{"id":1,"connect":{}}`), textFrame(`{"id":2,"subscribe":{"channel":"`+channelOf(user)+`"`+recover+`}}`)...)
		},
		wsReady: `"id":2,`,
		sse: func(user int, _ string) []byte {
			return get("/connection/uni_sse?cf_connect="+url.QueryEscape(`{"subs":{"`+channelOf(user)+`":{}}}`), port, "Accept: text/event-stream")
		},
		sseReady: `"connect":`,
		pub: func(user int, event string) []byte {
			return post("/api/publish", port, `{"channel":"`+channelOf(user)+`","data":`+event+`}`, "Content-Type: application/json", "X-API-Key: k")
		},
		pubMany: func(users []int, events []string) []byte {
			var commands []string
			for n, event := range events {
				commands = append(commands, `{"publish":{"channel":"`+channelOf(users[n])+`","data":`+event+`}}`)
			}
			return post("/api/batch", port, `{"commands":[`+strings.Join(commands, ",")+`]}`, "Content-Type: application/json", "X-API-Key: k")
		},
	}
	if withHistory {
		peer.resumeOver = "ws"
		// The answer to a subscription has …"epoch":"abcd","offset":11…; an offset that is absent is 0.
		peer.position = func(frame []byte) string {
			at := bytes.Index(frame, []byte(`"epoch":"`))
			if at < 0 {
				return ""
			}
			rest := frame[at+9:]
			epoch := string(rest[:bytes.IndexByte(rest, '"')])
			offset := 0
			if at := bytes.LastIndex(frame, []byte(`"offset":`)); at >= 0 {
				offset = digits(frame[at+9:])
			}
			return fmt.Sprintf(`"epoch":"%s","offset":%d`, epoch, offset)
		}
	}
	return peer
}

// ---- proxies: the service and they

func nginxService(port int) *Proc {
	return startNginx("1", port, `location / { default_type application/json; return 200 '{"text":"`+strings.Repeat("x", 1000)+`"}'; }`, "", "")
}

// proxies: each starts the service too, on the clients' core.
func proxies() []Peer {
	servicePort := basePort + 20
	service := fmt.Sprintf("http://127.0.0.1:%d", servicePort)
	var apis []map[string]any
	for n := 0; n < 10; n++ {
		routes := map[string]any{}
		for m := 0; m < 10; m++ {
			routes[fmt.Sprintf("GET /service-%d/resource-%d/{id}", n, m)] = map[string]any{}
		}
		apis = append(apis, map[string]any{"id": fmt.Sprintf("service-%d", n), "target": service, "routes": routes})
	}
	definitions, _ := json.Marshal(apis)
	withService := func(p Peer, o options) Peer {
		start := p.start
		p.start = func(options) *Proc {
			serviceProc := nginxService(servicePort)
			proc := start(o)
			proc.beside = serviceProc
			return proc
		}
		return p
	}
	nginxPort, honoPort := basePort+21, basePort+22
	nginx := Peer{name: "nginx", port: nginxPort, start: func(options) *Proc {
		return startNginx("0", nginxPort, `location / {
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; }`,
			fmt.Sprintf("upstream service { server 127.0.0.1:%d; keepalive 256; keepalive_requests 1000000000; }", servicePort), "")
	}}
	hono := Peer{name: "Hono proxy()", port: honoPort, start: func(o options) *Proc {
		out := filepath.Join(buildDir, "hono-proxy.js")
		cmd := exec.Command(filepath.Join(rigelDir, "node_modules/.bin/esbuild"), filepath.Join(hereDir, "workers/hono-proxy.js"), "--bundle", "--minify", "--format=esm", "--outfile="+out)
		cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(rigelDir, "node_modules"))
		if said, err := cmd.CombinedOutput(); err != nil {
			panic(string(said))
		}
		p := startWorkerd(honoPort, out, nil, map[string]string{"PASS_TO": o.service})
		untilAnswers(p, fmt.Sprintf("http://127.0.0.1:%d/health", honoPort))
		return p
	}}
	o := options{service: service, variables: map[string]string{"PROXY_CONFIG": string(definitions)}}
	return []Peer{withService(rigel("Rigel", "", 4), o), withService(nginx, o), withService(pushpin(), o), withService(hono, o), withService(bare(), o)}
}
