"""The Kubernetes API as a source: connection and credentials, list and watch, and what each kind of object says."""
