"""The Kubernetes API as a source: LIST and WATCH, and what each kind of object says about members.

    reflector           the loops: list, watch, relist          listing, watch, watch_events, position, retries, timing
    connection          requests and responses as bytes         transport, read_deadline, failures
    credentials         who we are, kept fresh                  loaders, tls
    endpointslices, endpoints, pods                             each kind's objects and how they become members
    collection, objects, ports, responses, resource_versions,   pure: what all kinds have in common, and what an
    stream, explanations                                        operator reads

Only ``loaders`` knows kubernetes-asyncio. Nothing here knows other sources, or decides what is published.
"""
