"""OpenTelemetry in, events and the places of spans out: forms of the wire, then one file a dialect."""
