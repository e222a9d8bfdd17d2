"""The relay lane: ordinary HTTP/1.1, judged by its head and passed on without message objects.

lane.py is the layer, in parts: asks.py takes requests up, sends.py holds what is sent with them,
replies.py passes answers on, watches.py keeps them back. desk.py asks the gate for all of them,
exchange.py is what is known of one request. heads.py and bodies.py read what comes; servers.py and
ways.py reach servers, answer.py is what they say. Whatever is not ordinary goes to the generic lane
(engine/httplayer.py) before anything is decided. docs/adr/0008-relay-lane.md says why.
"""
