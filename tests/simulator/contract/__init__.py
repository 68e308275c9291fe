"""The same requests to two servers, the simulator and a real API server where its programs are built.

Scope: what a client of ours can see and might come to rely on: LIST, WATCH, and refusals. Where a test passes on one
server and fails on the other, the simulator is wrong. Out of scope: faults, which a real server does not produce on
request, and what the simulator does not imitate (defaulting, admission, graceful deletion).
"""
