"""Connects one Python client to Rigel and prints JSON lines, as ../js/client.mjs does. Run: python client.py NAME"""

import asyncio
import json
import os
import sys
import time
from urllib.parse import urlencode

ORIGIN, TOKEN, TYPE = os.environ["ORIGIN"], os.environ["TOKEN"], os.environ["TYPE"]
QUERY = urlencode({"subscriptions": json.dumps([{"eventType": TYPE}])})
SSE = f"{ORIGIN}/_rig/v1/connection/sse?{QUERY}"
NDJSON = f"{ORIGIN}/_rig/v1/connection/ndjson?{QUERY}"
WS = f"{ORIGIN.replace('http', 'ws')}/_rig/v1/connection/ws?{QUERY}"
HEADERS = {"authorization": f"Bearer {TOKEN}"}


def say(**line):
    print(json.dumps(line), flush=True)


def take(text, position):
    event = json.loads(text)
    if event["type"] == "rig.subscriptions_set":
        say(open=True)
    if not event["type"].startswith("rig."):
        say(id=event["id"], position=position)


def forever(connect):
    """Reconnects with the last position: none of these clients does by itself."""
    position = None
    while True:
        try:
            for text, seen in connect(position):
                position = seen or position
                if text:
                    take(text, position)
        except Exception as error:  # the server was killed
            print(f"reconnecting: {error!r}", file=sys.stderr, flush=True)
        time.sleep(0.3)


def sseclient():
    import requests
    import sseclient

    def connect(position):
        headers = {**HEADERS, "accept": "text/event-stream", **({"last-event-id": position} if position else {})}
        response = requests.get(SSE, stream=True, headers=headers, timeout=60)
        response.raise_for_status()
        for event in sseclient.SSEClient(response).events():
            yield event.data, event.id

    forever(connect)


def httpx_sse():
    import httpx
    from httpx_sse import connect_sse

    def connect(position):
        headers = {**HEADERS, **({"last-event-id": position} if position else {})}
        with httpx.Client(timeout=60) as client, connect_sse(client, "GET", SSE, headers=headers) as source:
            source.response.raise_for_status()
            for event in source.iter_sse():
                yield event.data, event.id

    forever(connect)


def requests_ndjson():
    import requests

    def connect(position):
        parameters = {"last_event_id": position} if position else {}
        response = requests.get(NDJSON, params=parameters, stream=True, headers=HEADERS, timeout=60)
        response.raise_for_status()
        for line in response.iter_lines():
            item = json.loads(line) if line else {}
            yield json.dumps(item["event"]) if "event" in item else "", item.get("id")

    forever(connect)


def websockets_v1():
    import websockets

    async def run():
        position = None
        while True:
            try:
                url = f"{WS}&last_event_id={position}" if position else WS
                async with websockets.connect(url, subprotocols=["rigel.v1", f"bearer.{TOKEN}"]) as socket:
                    async for message in socket:
                        frame = json.loads(message)
                        if frame["type"] == "position":
                            position = frame["id"]
                        for item in frame.get("events", []):
                            position = item["id"]
                            take(json.dumps(item["event"]), position)
                        if frame.get("events"):
                            await socket.send(json.dumps({"type": "ack", "id": position}))
            except Exception as error:  # the server was killed
                print(f"reconnecting: {error!r}", file=sys.stderr, flush=True)
            await asyncio.sleep(0.3)

    asyncio.run(run())


def cloudevents():
    import requests
    from cloudevents.v1.conversion import to_json  # noqa: F401  (the SDK's own JSON encoder)
    from cloudevents.v1.http import CloudEvent, to_binary, to_structured

    for mode, encode in (("binary", to_binary), ("structured", to_structured)):
        event = CloudEvent({"id": f"py-{mode}", "source": "/py", "type": TYPE}, {"text": "from the SDK"})
        headers, body = encode(event)
        requests.post(f"{ORIGIN}/_rig/v1/events", data=body, headers=headers, timeout=30).raise_for_status()
        say(published=f"py-{mode}")


CLIENTS = {
    "sseclient-py": sseclient,
    "httpx-sse": httpx_sse,
    "requests": requests_ndjson,
    "websockets": websockets_v1,
    "cloudevents": cloudevents,
}
CLIENTS[sys.argv[1]]()
