"""The live screen: `tollbook top`."""
