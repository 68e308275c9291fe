"""DNS as a source: it is polled, and an absence is confirmed before it is accepted.

    source                          the loop: poll, confirm, report
    query                           what is asked about one Service
    resolver, responses             one question and its outcome; only these know dnspython
    confirmation, records, names    pure: when an answer is accepted, what it says about members, names in DNS

Nothing here knows other sources, or decides what is published.
"""
