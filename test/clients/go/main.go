// Connects one Go client to Rigel and prints JSON lines, as ../js/client.mjs does. Run: clients NAME
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/coder/websocket"
	"github.com/r3labs/sse/v2"
)

var (
	origin = os.Getenv("ORIGIN")
	token  = os.Getenv("TOKEN")
	typ    = os.Getenv("TYPE")
	query  = url.Values{"subscriptions": {fmt.Sprintf(`[{"eventType":%q}]`, typ)}}.Encode()
)

func say(line map[string]any) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

func take(text []byte, position string) {
	var event struct{ ID, Type string }
	if json.Unmarshal(text, &event) != nil {
		return
	}
	if event.Type == "rig.subscriptions_set" {
		say(map[string]any{"open": true})
	} else if !strings.HasPrefix(event.Type, "rig.") {
		say(map[string]any{"id": event.ID, "position": position})
	}
}

// It reconnects by itself, with Last-Event-ID. An event may have 64 KiB unless the buffer is set.
func r3labs() {
	client := sse.NewClient(origin+"/_rig/v1/connection/sse?"+query, sse.ClientMaxBufferSize(1<<20))
	client.Headers["Authorization"] = "Bearer " + token
	for {
		err := client.SubscribeRaw(func(event *sse.Event) {
			if len(event.Data) > 0 {
				take(event.Data, string(event.ID))
			}
		})
		fmt.Fprintln(os.Stderr, "reconnecting:", err)
		time.Sleep(300 * time.Millisecond)
	}
}

func coder() {
	position := ""
	for {
		err := readSocket(&position)
		fmt.Fprintln(os.Stderr, "reconnecting:", err)
		time.Sleep(300 * time.Millisecond)
	}
}

func readSocket(position *string) error {
	ctx := context.Background()
	address := strings.Replace(origin, "http", "ws", 1) + "/_rig/v1/connection/ws?" + query
	if *position != "" {
		address += "&last_event_id=" + url.QueryEscape(*position)
	}
	socket, _, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		Subprotocols: []string{"rigel.v1", "bearer." + token},
	})
	if err != nil {
		return err
	}
	defer socket.CloseNow()
	socket.SetReadLimit(1 << 20)
	for {
		_, text, err := socket.Read(ctx)
		if err != nil {
			return err
		}
		var frame struct {
			Type, ID string
			Events   []struct {
				ID    string
				Event json.RawMessage
			}
		}
		if err := json.Unmarshal(text, &frame); err != nil {
			return err
		}
		if frame.Type == "position" {
			*position = frame.ID
		}
		for _, item := range frame.Events {
			*position = item.ID
			take(item.Event, item.ID)
		}
		if len(frame.Events) > 0 {
			ack, _ := json.Marshal(map[string]string{"type": "ack", "id": *position})
			if err := socket.Write(ctx, websocket.MessageText, ack); err != nil {
				return err
			}
		}
	}
}

func sdk() {
	client, err := cloudevents.NewClientHTTP(cloudevents.WithTarget(origin + "/_rig/v1/events"))
	if err != nil {
		panic(err)
	}
	for mode, encode := range map[string]func(context.Context) context.Context{
		"binary":     cloudevents.WithEncodingBinary,
		"structured": cloudevents.WithEncodingStructured,
	} {
		event := cloudevents.NewEvent()
		event.SetID("go-" + mode)
		event.SetSource("/go")
		event.SetType(typ)
		_ = event.SetData(cloudevents.ApplicationJSON, map[string]string{"text": "from the SDK"})
		if result := client.Send(encode(context.Background()), event); cloudevents.IsUndelivered(result) {
			panic(result)
		}
		say(map[string]any{"published": "go-" + mode})
	}
}

func main() {
	http.DefaultClient.Timeout = 0
	map[string]func(){"r3labs": r3labs, "coder": coder, "cloudevents": sdk}[os.Args[1]]()
}
