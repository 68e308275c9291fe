"""DNS as a source: polled, and an absence confirmed before it is believed."""
