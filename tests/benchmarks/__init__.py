"""What the sidecar costs, measured beside a minimal client-go informer: ``python -m tests.benchmarks``.

A number of milliseconds says more about a machine and its other load than about a program. So the sidecar and the
informer (``informer/main.go``) take turns in one run, against one real API server, on the same changes, and what counts
is the ratio of two turns that follow each other. With ``--pods`` the two are the sidecar on 5,000 pods and the sidecar
on their EndpointSlices.

    load                the Service's EndpointSlices, and members that join it
    pod_load            thousands of pods behind a Service, and pods among them that become members
    file_watch          when a change is visible under the file's final name
    subjects            the programs under test
    image_root, image   Python 3.15 for one of them, as the Dockerfile has it
    window              one turn of one program
    figures             the medians over many turns
    report              the goals, and the table
"""
