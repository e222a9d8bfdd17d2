"""The relay lane: ordinary HTTP/1.1, judged by its head and passed on without message objects.

lane.py is the layer; heads.py and bodies.py read what comes, ways.py reaches servers, exchange.py
is what is known of one request. Whatever is not ordinary goes to the generic lane
(engine/httplayer.py) before anything is decided. docs/adr/0008-relay-lane.md says why.
"""
